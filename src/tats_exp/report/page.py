"""One self-contained page: table, videos side by side, verdict, figures, and how it was all measured.

Figures and videos are embedded, nothing is fetched, so the file can be mailed, archived and opened without a network.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

from tats_exp.report.runs import Group, Run
from tats_exp.report.style import DARK, LIGHT, Ink
from tats_exp.report.tables import Row, Table
from tats_exp.report.verdict import Sentence
from tats_exp.report.videos import EMBED_BYTES, videos_section

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


@dataclass(frozen=True)
class Part:
    """What is told of runs that were measured alike.

    Attributes:
        heading: which of several parts this is, "" where there is one.
        groups: the finished runs by combination of choices.
        table: as laid out by `make_table`.
        verdict: as found by `make_verdict`.
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
    sections = [
        _header(runs, parts, title),
        _left_out([run for run in runs if run.state != "finished"]),
        f'<p class="question">{escape(differs)}</p>' if differs else "",
        *(_table(part) for part in parts),
        *(section for part in parts for section in _seen(part, EMBED_BYTES // len(parts))),
        _times(runs),
        _configuration(runs),
    ]
    folder = files("tats_exp.report")
    return _PAGE.format(
        title=escape(title),
        style=_colours(LIGHT)
        + f"@media (prefers-color-scheme: dark) {{ {_colours(DARK)} }}\n"
        + (folder / "page.css").read_text(encoding="utf-8"),
        body="\n".join(section for section in sections if section),
        script=(folder / "page.js").read_text(encoding="utf-8"),
    )


def _seen(part: Part, embed: int) -> list[str]:
    """Videos, verdict and figures of one part, and how it was measured; `embed` bytes of video at most."""
    names = [chip(group, place, group.label) for place, group in enumerate(part.groups)]
    return [
        f'<h2 class="part">{escape(part.heading)}</h2>' if part.heading else "",
        videos_section(part.groups, names, embed),
        _verdict(part.verdict, part.groups),
        *(_figure(name, paths) for name, paths in part.figures.items()),
        _measured(part.groups),
    ]


def chip(group: Group, place: int, text: str | None = None) -> str:
    """A choice in its colour, as figures draw it."""
    return f'<span class="chip" style="--c:var(--c{place % len(LIGHT.colours)})">{escape(text or group.short)}</span>'


def _colours(ink: Ink) -> str:
    """The ink of the figures as CSS variables, so that names on the page have the colours of their lines."""
    colours = "".join(f" --c{place}: {colour};" for place, colour in enumerate(ink.colours))
    return f":root {{ --paper: {ink.paper}; --text: {ink.text}; --line: {ink.faint};{colours} }}\n"


def _header(runs: list[Run], parts: list[Part], title: str) -> str:
    finished = [run for part in parts for group in part.groups for run in group.runs]
    descriptions = list(dict.fromkeys(run.description for run in runs if run.description))
    facts = [f"<b>{len(finished)}</b> of {len(runs)} runs finished"]
    swept: dict[str, list[str]] = {}
    for run in runs:
        for key, value in run.choices.items():
            swept.setdefault(key, []).append(value)
    facts += [f"{escape(key)}: <b>{escape(', '.join(dict.fromkeys(values)))}</b>" for key, values in swept.items()]
    generated = dict.fromkeys(str(run.protocol["n_generated"]) for run in finished if "n_generated" in run.protocol)
    facts += [f"<b>{escape(' or '.join(generated))}</b> videos scored per run"] if generated else []
    devices = list(dict.fromkeys(run.device for run in runs if run.device))
    facts += [f"on <b>{escape(', '.join(devices))}</b>"] if devices else []
    items = "".join(f"<li>{fact}</li>" for fact in facts)
    questions = "".join(f'<p class="question">{escape(text)}</p>' for text in descriptions)
    return f'<header><h1>{escape(title)}</h1>{questions}<ul class="facts">{items}</ul></header>'


def _left_out(runs: list[Run]) -> str:
    if not runs:
        return ""
    items = "".join(
        f"<li><b>{escape(run.label)}</b> ({run.state}): {escape(run.reason or '')} "
        f'<span class="soft">{escape(run.name)}</span></li>'
        for run in runs
    )
    return f'<section class="failed"><h2>Not counted: {len(runs)}</h2><ul>{items}</ul></section>'


def _verdict(verdict: list[Sentence], groups: list[Group]) -> str:
    places = {group.label: place for place, group in enumerate(groups)}
    # The longest label first: `padding=zero` must not match inside `padding=zero_space`.
    pattern = "|".join(re.escape(escape(label)) for label in sorted(places, key=len, reverse=True))
    chips = {escape(label): chip(groups[place], place, label) for label, place in places.items()}

    def listed(sentences: list[Sentence]) -> str:
        items = ""
        for sentence in sentences:
            text = escape(sentence.text)
            text = re.sub(pattern, lambda match: chips[match[0]], text) if pattern else text
            items += f'<li class="{sentence.outcome.replace(" ", "-")}">{text}</li>'
        return f'<ul class="verdict">{items}</ul>'

    rest = [sentence for sentence in verdict if sentence.outcome in ("same", "floor")]
    told = [sentence for sentence in verdict if sentence not in rest]
    summary = f"<summary>No difference seen: {len(rest)} more</summary>"
    folded = f"<details>{summary}{listed(rest)}</details>" if rest else ""
    how = "Two choices differ only when every seed of one exceeds every seed of the other."
    return (
        f'<section><h2>What can be said</h2><p class="note">{how}</p>{listed(told) if told else ""}{folded}</section>'
    )


def _table(part: Part) -> str:
    table = part.table
    if not table.rows:
        return ""
    heads = "".join(
        f'<th title="{escape(column.key)}">{escape(column.title[0])}'
        f"<span>{escape(f'{column.title[1]} {column.arrow}'.strip())}</span></th>"
        for column in table.columns
    )
    bodies = []
    for place, group in enumerate(part.groups):
        rows = [row for row in table.rows if row.group == place]
        head = f'<th rowspan="{len(rows)}">{chip(group, place)}</th>'
        lines = [_line(table, row, head if number == 0 else "") for number, row in enumerate(rows)]
        bodies.append(f"<tbody>{''.join(lines)}</tbody>")
    floors = [
        _line(table, row, f'<th colspan="2">{escape(row.label)}</th>') for row in table.rows if row.kind == "floor"
    ]
    bodies += [f"<tbody>{''.join(floors)}</tbody>"] if floors else []
    note = "Spread is the sample standard deviation over seeds. Dotted: within twice the real-vs-real floor."
    return (
        f'<section><h2>{escape(part.heading or "Every seed")}</h2><div class="scroll"><table><thead><tr>'
        '<th class="left"></th>'
        f'<th class="left">seed</th>{heads}</tr></thead>{"".join(bodies)}</table></div>'
        f'<p class="note">{note}</p></section>'
    )


def _line(table: Table, row: Row, head: str) -> str:
    cells = "".join(
        f'<td class="within">{_spread(text)}</td>' if cell.within_floor else f"<td>{_spread(text)}</td>"
        for cell, text in zip(row.cells, table.texts(row), strict=True)
    )
    names = {"seed": escape(row.seed or "–"), "mean": f"mean of {row.n}"}
    name = f'<td class="left">{names[row.kind]}</td>' if row.kind in names else ""
    return f'<tr class="{row.kind}">{head}{name}{cells}</tr>'


def _spread(text: str) -> str:
    mean, sign, spread = text.partition(" ± ")
    return f'{mean}<span class="spread">{sign}{spread}</span>' if sign else text


def _figure(name: str, paths: tuple[Path, Path]) -> str:
    of_a_measure = (name.replace("_", " ").capitalize(), "Dots are seeds, bars their mean.")
    heading, caption = CAPTIONS.get(name, of_a_measure)
    light, dark = (f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in paths)
    picture = (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(heading)}. {escape(caption)}"></picture>'
    )
    return (
        f'<section><h2>{escape(heading)}</h2><p class="note">{escape(caption)}</p>'
        f'<figure class="plot">{picture}</figure></section>'
    )


def _measured(groups: list[Group]) -> str:
    protocol = next((run.protocol for group in groups for run in group.runs if run.protocol), {})
    entries = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in protocol.items())
    return f"<section><h2>How it was measured</h2><dl>{entries}</dl></section>" if entries else ""


def _times(runs: list[Run]) -> str:
    stages = [s for s in dict.fromkeys(s for run in runs for s in (*run.seconds, *run.reused)) if s != "total"]
    if not stages:
        return ""
    heads = "".join(f"<th>{escape(stage)}</th>" for stage in stages)
    lines = ""
    for run in runs:
        cells = "".join(f"<td>{_seconds(run, stage)}</td>" for stage in stages)
        total = f"{run.seconds.get('total', sum(run.seconds.values())):,.0f} s"
        lines += f"<tr><th>{escape(run.label)}</th>{cells}<td><b>{total}</b></td></tr>"
    return (
        '<section><h2>How long each stage took</h2><div class="scroll"><table><thead><tr><th class="left">run</th>'
        f"{heads}<th>all</th></tr></thead><tbody>{lines}</tbody></table></div></section>"
    )


def _seconds(run: Run, stage: str) -> str:
    if stage in run.reused:
        return '<span class="soft">reused</span>'
    return f"{run.seconds[stage]:,.1f} s" if stage in run.seconds else "–"


def _configuration(runs: list[Run]) -> str:
    shown = next((run for run in runs if (run.folder / "config.yaml").is_file()), None)
    versions = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for run in runs[:1] for k, v in run.version.items())
    parts = [f"<details><summary>Versions</summary><dl>{versions}</dl></details>"] if versions else []
    if shown is not None:
        text = escape((shown.folder / "config.yaml").read_text(encoding="utf-8", errors="replace"))
        summary = f"Resolved configuration of {escape(shown.name)}"
        parts.append(f"<details><summary>{summary}</summary><pre>{text}</pre></details>")
    return f"<section>{''.join(parts)}</section>" if parts else ""


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
<script>
{script}</script>
</body>
</html>
"""
