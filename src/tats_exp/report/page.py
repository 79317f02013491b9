"""One self-contained page: table, videos side by side, verdict, figures, and how it was all measured.

Figures and videos are embedded, nothing is fetched, so the file can be mailed, archived and opened without a network.
page.html says how the page is laid out; here is what it is filled with.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tats_exp.report.runs import Group, Run
from tats_exp.report.style import DARK, LIGHT, Chip, Ink, chips
from tats_exp.report.tables import Table
from tats_exp.report.verdict import Sentence
from tats_exp.report.videos import EMBED_BYTES, films_of

CAPTIONS = {
    "film_strip": (
        "From beginning to end",
        "The first sampled video of each choice, over its whole length.",
    ),
    "first_frames": (
        "Frame by frame",
        "The same videos from their first frame on, every second frame; what was given comes first.",
    ),
    "curves": ("Window by window", "Thin lines are seeds, bold lines their mean, the band is one standard deviation."),
    "rebuilt_strip": (
        "What the VQGAN gives back",
        "A held-out window and its reconstruction by each choice, first seed.",
    ),
    "reconstruction": (
        "How well it gives it back",
        "Held-out windows. Dots are seeds, bars their mean. Gradients: 1 is as sharp as real, below is blurred; noise "
        "and wrong edges raise them.",
    ),
    "frechet": (
        "Distances against their floors",
        "Dots are seeds, bars their mean. Differences below twice the real-vs-real line do not count.",
    ),
    "time_agnosticity": ("Does a code depend on where in the clip it stands?", "No sampling involved. Dots are seeds."),
    "masks": (
        "Who may look at whom",
        "By latent frames of a gap. Left: share of pairs. Right: gradient from codes that sampling does not know yet.",
    ),
    "code_histogram": (
        "Which codes are used",
        "Grey: real videos. Lines: sampled ones.",
    ),
    "losses": ("Training", "One line per run."),
}
NO_DIFFERENCE = ("same", "floor")
"""Outcomes that are folded away."""


@dataclass(frozen=True)
class Part:
    """What is shown of runs that were measured alike.

    Attributes:
        heading: which of several parts this is, "" where there is one.
        groups: the finished runs by combination of choices.
        table: from `make_table`.
        verdict: from `make_verdict`.
        figures: name -> (light PNG, dark PNG).
    """

    heading: str
    groups: list[Group]
    table: Table
    verdict: list[Sentence]
    figures: dict[str, tuple[Path, Path]]


def make_page(runs: list[Run], parts: list[Part], differs: str, title: str) -> str:
    """Write the page of a sweep: all tables first, then part by part what there is to see.

    Args:
        runs: all runs, those that do not count included.
        parts: the finished ones, one part or one for each protocol.
        differs: what differs between the parts, "" where there is one.
        title: head of the page.

    Returns:
        HTML without any reference to the outside.
    """
    finished = [run for part in parts for group in part.groups for run in group.runs]
    environment = Environment(
        loader=PackageLoader("tats_exp.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=title,
        style=_style(),
        script=_text("page.js"),
        questions=list(dict.fromkeys(run.description for run in runs if run.description)),
        finished=len(finished),
        runs=runs,
        swept=_swept(runs),
        scored=list(dict.fromkeys(run.protocol.n_generated for run in finished if run.protocol)),
        devices=list(dict.fromkeys(run.device for run in runs if run.device)),
        left_out=[run for run in runs if run.state != "finished"],
        differs=differs,
        parts=[_filled(part, EMBED_BYTES // len(parts)) for part in parts],
        stages=_stages(runs),
        versions=runs[0].version if runs else {},
        configuration=_configuration(runs),
    )


def _filled(part: Part, embed: int) -> dict[str, object]:
    """What the page shows of one part; `embed` bytes of video at most."""
    labels = chips(group.label for group in part.groups)
    said = [{"outcome": one.outcome, "pieces": _pieces(one.text, labels)} for one in part.verdict]
    return {
        "heading": part.heading,
        "table": part.table,
        "choices": chips(group.short for group in part.groups),
        "films": films_of(part.groups, embed),
        "said": [one for one in said if one["outcome"] not in NO_DIFFERENCE],
        "no_difference": [one for one in said if one["outcome"] in NO_DIFFERENCE],
        "figures": [_figure(name, *paths) for name, paths in part.figures.items()],
        "protocol": next((run.protocol.as_dict() for group in part.groups for run in group.runs if run.protocol), {}),
    }


def _pieces(text: str, labels: list[Chip]) -> list[str | Chip]:
    """A sentence cut where it names a choice."""
    named = {label.text: label for label in labels}
    # The longest label first: `padding=zero` must not match inside `padding=zero_space`.
    pattern = "|".join(re.escape(label) for label in sorted(named, key=len, reverse=True))
    return [named.get(piece, piece) for piece in re.split(f"({pattern})", text)] if pattern else [text]


def _figure(name: str, light: Path, dark: Path) -> dict[str, str]:
    of_a_measure = (name.replace("_", " ").capitalize(), "Dots are seeds, bars their mean.")
    heading, caption = CAPTIONS.get(name, of_a_measure)
    data = {ink: base64.b64encode(path.read_bytes()).decode() for ink, path in (("light", light), ("dark", dark))}
    return {"heading": heading, "caption": caption, **data}


def _style() -> str:
    dark = f"@media (prefers-color-scheme: dark) {{ {_colours(DARK)} }}\n"
    return _colours(LIGHT) + dark + _text("page.css")


def _text(name: str) -> str:
    return (files("tats_exp.report") / name).read_text(encoding="utf-8")


def _colours(ink: Ink) -> str:
    """The ink of the figures as CSS variables, so that names on the page have the colours of their lines."""
    colours = "".join(f" --c{place}: {colour};" for place, colour in enumerate(ink.colours))
    return f":root {{ --paper: {ink.paper}; --text: {ink.text}; --line: {ink.faint};{colours} }}\n"


def _swept(runs: list[Run]) -> dict[str, list[str]]:
    """Key -> its values among all runs, each once."""
    keys = dict.fromkeys(key for run in runs for key in run.choices)
    return {key: list(dict.fromkeys(run.choices[key] for run in runs if key in run.choices)) for key in keys}


def _stages(runs: list[Run]) -> list[str]:
    """Stages that any run went through or took from the store."""
    stages = dict.fromkeys(stage for run in runs for stage in (*run.seconds, *run.reused))
    return [stage for stage in stages if stage != "total"]


def _configuration(runs: list[Run]) -> dict[str, str] | None:
    """Name and resolved configuration of the first run that left one."""
    for run in runs:
        path = run.folder / "config.yaml"
        if path.is_file():
            return {"run": run.name, "text": path.read_text(encoding="utf-8", errors="replace")}
    return None
