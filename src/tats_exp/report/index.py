"""One page over many experiments: kept records and sweep folders, newest first, each with its answer and a picture."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from tats_exp import UserError
from tats_exp.files import atomic
from tats_exp.report.columns import endpoints
from tats_exp.report.page import environment, style_sheet
from tats_exp.report.protocols import measured_alike
from tats_exp.report.runs import Run, group_runs, load_runs
from tats_exp.report.verdict import make_verdict
from tats_exp.run_folder import Status

README, RECORD, SWEEP = "README.md", "record.json", "sweep.json"
PICTURES = ("frames.png", "endpoint.png")
"""The first of them that there is stands beside an answer."""
MOST = 600
"""Characters of an answer; more of it stands behind the link."""
SUPERSEDED = "> **Superseded.**"


@dataclass(frozen=True)
class Entry:
    """One experiment.

    Attributes:
        title: its name.
        question: in a sentence or two.
        answer: what came out, with its interval; "" where nothing did yet.
        picture: a PNG in base64, "" where there is none.
        day: on which it ran last, as ISO 8601; "" where that is not known.
        commit: that it ran on; several, where it did.
        cost: how long it took.
        links: name -> address, seen from the index.
        stale: why its answer may no longer be that of the code; "" where it is.
        ended: when, to the second, as ISO 8601; "" where the day alone is known.
    """

    title: str
    question: str
    answer: str
    picture: str
    day: str
    commit: str
    cost: str
    links: Mapping[str, str]
    stale: str
    ended: str = ""


def make_index(folders: Iterable[Path], page: Path, versions: Mapping[str, int]) -> list[Entry]:
    """Write the page.

    Args:
        folders: each holds records (folders with README.md and record.json) or sweeps, at any depth.
        page: to be written.
        versions: of the stages, by their names, as the code has them now.

    Returns:
        What stands on it, in its order.

    Raises:
        UserError: a folder is missing, or there is no experiment in any of them; one line.
    """
    entries = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"report: no folder {folder}")
        places = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
        entries += [_of_record(place, page.parent, versions) for place in places if _is_record(place)]
        entries += [_of_sweep(place, page.parent, versions) for place in places if _has_runs(place)]
    if not entries:
        raise UserError(f"report: no experiments under {', '.join(map(str, folders))} (a sweep folder holds {SWEEP})")
    entries.sort(key=lambda entry: (entry.ended or entry.day, entry.title), reverse=True)
    with atomic(page) as temporary:
        html = environment().get_template("index.html").render(entries=entries, style=style_sheet())
        temporary.write_text(html, encoding="utf-8")
    return entries


def _is_record(folder: Path) -> bool:
    return (folder / README).is_file() and ((folder / RECORD).is_file() or (folder / "results.csv").is_file())


def _has_runs(folder: Path) -> bool:
    """Whether it is a sweep of which a run began: one that was stopped before has nothing to tell."""
    return (folder / SWEEP).is_file() and any(folder.rglob(Status.FILE))


def _of_record(folder: Path, base: Path, versions: Mapping[str, int]) -> Entry:
    """What the repository keeps of an experiment; its README says what came out."""
    text = (folder / README).read_text(encoding="utf-8", errors="replace")
    about = _about(folder)
    sittings = about.get("sittings", [])
    links = {"record": folder / README, "results": folder / "results.csv"}
    stale = "superseded, as its README says" if SUPERSEDED in text else _older(about.get("stages", {}), versions)
    minutes = sum(sitting["minutes"] for sitting in sittings)
    return Entry(
        title=_plain(text.partition("\n")[0].removeprefix("# ")),
        question=_paragraph(text, "Question"),
        answer=_paragraph(text, "Answer") or _paragraph(text, "Verdict"),
        picture=_picture(folder / "figures"),
        day=max((sitting["date"] for sitting in sittings), default=""),
        commit=", ".join(dict.fromkeys(sitting["commit"] for sitting in sittings)),
        cost=f"{minutes:.0f} minutes on {sittings[0]['cores']} cores" if sittings else "",
        links={name: _address(path, base) for name, path in links.items() if path.is_file()},
        stale=stale,
    )


def _about(folder: Path) -> dict:
    """What record.json says; nothing where there is none.

    Raises:
        UserError: it is no such file.
    """
    if not (folder / RECORD).is_file():
        return {}
    try:
        about = json.loads((folder / RECORD).read_text())
        if not all({"date", "commit", "minutes", "cores"} <= set(sitting) for sitting in about["sittings"]):
            raise ValueError("a sitting lacks date, commit, minutes or cores")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{folder / RECORD}: no record ({error})") from error
    return about


def _of_sweep(folder: Path, base: Path, versions: Mapping[str, int]) -> Entry:
    """What a sweep folder holds: the answer is that of its report, worked out anew."""
    runs = load_runs(folder)
    finished = [run for run in runs if run.state == "finished"]
    verdicts = [make_verdict(group_runs(alike.runs)) for alike in measured_alike(runs) if alike.runs]
    said = [sentence.text for verdict in verdicts for sentence in verdict if sentence.kind == "answer"]
    statuses = [Status.read(run.folder) for run in runs if run.state != "unreadable"]
    ended = max(path.stat().st_mtime for run in runs for path in [run.folder / Status.FILE])
    made = [line for line in (_older(status.stage_versions, versions) for status in statuses) if line]
    report, title = folder / "report" / "index.html", runs[0].experiment or folder.name
    return Entry(
        title=f"{title.replace('_', ' ')}: {folder.name}",
        question=next((run.description for run in runs if run.description), ""),
        answer=_shortened(" ".join(said)) if finished and endpoints(finished) else "",
        picture=_picture(folder / "report" / "figures"),
        day=date.fromtimestamp(ended).isoformat(),
        ended=datetime.fromtimestamp(ended).isoformat(),
        commit=", ".join(dict.fromkeys(status.commit for status in statuses if status.commit)),
        cost=_cost(runs),
        links={"page": _address(report, base)} if report.is_file() else {},
        stale=made[0] if made else "",
    )


def _cost(runs: list[Run]) -> str:
    """How many runs there are, and the minutes of all of them added up, those of stages that were found left out."""
    finished = [run for run in runs if run.state == "finished"]
    minutes = sum(run.seconds.get("total", 0.0) for run in finished) / 60
    count = f"{len(runs)} run{'s' * (len(runs) > 1)}"
    through = count if len(finished) == len(runs) else f"{len(finished)} of {count} finished"
    return f"{through}, {minutes:.0f} minutes in all"


def _older(made: Mapping[str, int], versions: Mapping[str, int]) -> str:
    """Which stages were made by older code; of a record that does not know, nothing is said."""
    older = [f"{name} {made[name]} (now {versions[name]})" for name in made if made[name] < versions.get(name, 0)]
    return f"older stages: {', '.join(older)}" if older else ""


def _paragraph(text: str, head: str) -> str:
    """The paragraph of a README that begins with a bold word, as plain text."""
    found = re.search(rf"^\*\*{head}[^*]*\*\*(.+?)(?:\n\s*\n|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return "" if found is None else _shortened(_plain(found[1]))


def _shortened(text: str) -> str:
    """A text that is cut off behind a word where it is too long."""
    return text if len(text) <= MOST else f"{text[:MOST].rpartition(' ')[0]} …"


def _plain(markdown: str) -> str:
    """Markdown without its marks: links are their words, bold and code what stands in them."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return " ".join(re.sub(r"[*`]", "", words).split())


def _picture(folder: Path) -> str:
    path = next((folder / name for name in PICTURES if (folder / name).is_file()), None)
    return "" if path is None else base64.b64encode(path.read_bytes()).decode()


def _address(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()
