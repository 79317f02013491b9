"""One self-contained page: the answer beside a picture, its curve, the videos, the table, and folded all else.

Figures and videos are embedded, nothing is fetched, so the file can be mailed, archived and opened without a network.
page.html says how the page is laid out; here is what it is filled with.
"""

from __future__ import annotations

import base64
import re
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tats_exp.report.captions import ENDPOINT, NARROW, caption_of
from tats_exp.report.columns import curve_of, endpoints, truth_of
from tats_exp.report.part import Part
from tats_exp.report.phrases import sentence
from tats_exp.report.pictures import pictures_of
from tats_exp.report.runs import Run
from tats_exp.report.style import DARK, LIGHT, Chip, Ink, chips
from tats_exp.report.verdict import compared
from tats_exp.report.videos import EMBED_BYTES, films_of


def make_page(runs: list[Run], parts: list[Part], differs: str, title: str) -> str:
    """Write the page of a sweep, part by part.

    Args:
        runs: all runs, those that do not count included.
        parts: the finished ones, one part or one for each protocol.
        differs: what differs between the parts, "" where there is one.
        title: head of the page.

    Returns:
        HTML without any reference to the outside.
    """
    finished = [run for part in parts for group in part.groups for run in group.runs]
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            style=style_sheet(),
            script=_text("page.js"),
            trained=any(run.seed for run in runs),
            questions=list(dict.fromkeys(run.description for run in runs if run.description)),
            published=list(dict.fromkeys(one for run in runs for one in run.published)),
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
    )


def _filled(part: Part, embed: int) -> dict[str, object]:
    """What the page shows of one part; `embed` bytes of video at most."""
    labels = chips(group.label for group in part.groups)
    said: dict[str, list[list[str | Chip]]] = {kind: [] for kind in ("answer", "detail", "secondary", "note")}
    for one in part.verdict:
        said[one.kind].append(_pieces(one.text, labels))
    runs = [run for group in part.groups for run in group.runs]
    figures = dict(part.figures)
    trained = any(run.seed for run in runs)
    lead, narrow = figures.pop(ENDPOINT, None), figures.pop(NARROW, None)
    asked = endpoints(runs)
    comparisons = [] if asked is None else [one for several in compared(asked, part.groups) for one in several]
    return {
        "heading": part.heading,
        "trained": trained,
        "table": part.table,
        "others": part.others,
        "choices": chips(group.short for group in part.groups),
        "pictures": pictures_of(part.groups),
        "names_of": list(dict.fromkeys(key for group in part.groups for key in group.choices)),
        "films": films_of(part.groups, embed),
        "said": said,
        "comparisons": [_pieces(sentence([one], with_p=True), labels) for one in comparisons],
        "curve": _figure(*_curve_caption(runs), *lead, narrow) if lead else None,
        "figures": [_figure(*caption_of(name, trained), *paths) for name, paths in figures.items()],
        "protocol": next((run.protocol.as_dict() for run in runs if run.protocol), {}),
    }


def _curve_caption(runs: list[Run]) -> tuple[str, str]:
    """Heading and caption of the curve of the primary endpoint."""
    named = endpoints(runs)
    column = curve_of(named.primary, runs) if named else None
    assert named is not None and column is not None  # the figure was drawn from it
    dashes = "; dashed: real video through the VQGAN, without a transformer" if truth_of(column, runs) else ""
    several = len({run.seed for run in runs}) > 1
    lines = (
        "Thin lines are trainings, bold ones their mean, the band its 95 % interval (of three trainings or more)"
        if several
        else "A training each"
    )
    return " ".join(column.title).strip(), f"{column.explanation.rstrip('.')}. {lines}{dashes}."


def _pieces(text: str, labels: list[Chip]) -> list[str | Chip]:
    """A sentence cut where it names a choice."""
    named = {label.text: label for label in labels}
    # The longest label first: `padding=zero` must not match inside `padding=zero_space`.
    pattern = "|".join(re.escape(label) for label in sorted(named, key=len, reverse=True))
    return [named.get(piece, piece) for piece in re.split(f"({pattern})", text)] if pattern else [text]


def _figure(
    heading: str, caption: str, light: Path, dark: Path, narrow: tuple[Path, Path] | None = None
) -> dict[str, object]:
    """A figure with its words; `narrow` is how a phone shows it, light and dark."""
    pngs = {"light": _png(light), "dark": _png(dark), "narrow": [_png(path) for path in narrow or ()]}
    return {"heading": heading, "caption": caption, **pngs}


def _png(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def environment() -> Environment:
    """What fills templates: everything that is shown is escaped."""
    return Environment(
        loader=PackageLoader("tats_exp.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style_sheet() -> str:
    """CSS of all pages, for light and dark screens."""
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
