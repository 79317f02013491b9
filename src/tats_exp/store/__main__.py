"""`python -m tats_exp.store check|size|gc ROOT`: what is there, how large, damaged, referred to by no run."""

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

from tats_exp import UserError
from tats_exp.cli import guarded


def check(root: Path) -> int:
    """Hold every finished stage against its sums; returns 1 where one is damaged."""
    from tats_exp.run.stage_record import damage, read_record
    from tats_exp.store.contents import entries

    counts: dict[str, int] = defaultdict(int)
    for entry in entries(root):
        if entry.kind != "finished":
            counts[entry.kind] += 1
        elif (line := damage(entry.path)) is not None:
            counts["damaged"] += 1
            print(f"{line}; the next run that needs it makes it again")
        else:
            counts["whole" if read_record(entry.path).files is not None else "of an older version, without sums"] += 1
    print(f"{root}: {', '.join(f'{count} {what}' for what, count in counts.items()) or 'nothing in it'}")
    return 1 if counts["damaged"] else 0


def size(root: Path) -> int:
    """Tell how large the stages are."""
    from tats_exp.store.contents import entries

    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries(root):
        found[entry.stage, entry.kind].append(entry.bytes)
    for (stage, kind), sizes in found.items():
        print(f"{stage:20} {len(sizes):5} {kind:10} {_megabytes(sum(sizes))}")
    print(f"{'in all':20} {sum(map(len, found.values())):5} {'':10} {_megabytes(sum(map(sum, found.values())))}")
    return 0


def gc(root: Path, runs: list[Path], delete: bool) -> int:
    """Tell what no run refers to, and delete it if asked to; returns 1 where something could not be deleted."""
    from tats_exp.store.contents import referred_to, throw_away, unreferred

    entries_before = time.time()
    left = unreferred(root, referred_to(runs))
    freed, kept = 0, 0
    for entry in left:
        line, size = f"{entry.path} ({entry.kind}, {_megabytes(entry.bytes).strip()})", entry.bytes
        why = throw_away(entry, entries_before) if delete else None
        print(f"{line}: stays, {why}" if why else line)
        freed, kept = freed + (0 if why else size), kept + bool(why)
    places = ", ".join(map(str, runs))
    said = "deleted" if delete else "would be deleted with --delete"
    print(f"{len(left) - kept} of {root}, {_megabytes(freed).strip()}, {said}; no run under {places} refers to them")
    return 1 if kept else 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:12,.1f} MB"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for.

    Args:
        arguments: instead of the command line's own.

    Returns:
        0; 1 where something is damaged or could not be deleted; otherwise as `guarded`.
    """
    parser = argparse.ArgumentParser(prog="python -m tats_exp.store", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="check|size|gc")
    helps = {
        "check": "hold every finished stage against its sums",
        "size": "how large the stages are",
        "gc": "what no run refers to any more; deletes nothing without --delete",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("root", type=Path, metavar="ROOT", help="folder of the store, such as runs/store")
        if name == "gc":
            command.add_argument(
                "--runs",
                type=Path,
                nargs="+",
                metavar="DIR",
                help="folders that hold all runs which use the store; the folder that ROOT lies in unless named",
            )
            what = command.add_mutually_exclusive_group()
            what.add_argument("--delete", action="store_true", help="delete it")
            what.add_argument("--dry-run", action="store_true", help="only tell (as without)")
    given = parser.parse_args(arguments)

    def run() -> int:
        if given.command == "gc":
            return gc(given.root, _folders(given.runs or [given.root.absolute().parent]), given.delete)
        return {"check": check, "size": size}[given.command](given.root)

    return guarded("tats_exp.store", run)


def _folders(runs: list[Path]) -> list[Path]:
    if missing := [folder for folder in runs if not folder.is_dir()]:
        raise UserError(f"--runs {missing[0]}: no such folder")
    return runs


if __name__ == "__main__":
    sys.exit(main())
