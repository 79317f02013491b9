"""`python -m tats_exp.report DIR`: print table and verdict of a run or sweep folder, write its page.

`python -m tats_exp.report --index DIR...` writes one page over all experiments that lie in some folders.
"""

import argparse
import sys
from pathlib import Path

from tats_exp import UserError
from tats_exp.cli import guarded, path_of
from tats_exp.report import print_report


def main(arguments: list[str] | None = None) -> int:
    """Make the report or the index that the command line asks for.

    Args:
        arguments: instead of the command line's own.

    Returns:
        0, or as `guarded`: 2 if there is nothing to report on.
    """
    parser = argparse.ArgumentParser(prog="python -m tats_exp.report", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="a run folder, or a folder of runs")
    parser.add_argument("--index", action="store_true", help="one page over the experiments in all the folders")
    parser.add_argument("--out", type=Path, default=Path("index.html"), help="the page of the index (index.html)")
    given = parser.parse_args(arguments)

    def report() -> int:
        if given.index:
            return _index(given.folders, given.out)
        if len(given.folders) > 1:
            raise UserError(f"report: {len(given.folders)} folders; allowed: one, or several with --index")
        print_report(given.folders[0])
        return 0

    return guarded("tats_exp.report", report)


def _index(folders: list[Path], page: Path) -> int:
    from tats_exp.report.index import make_index
    from tats_exp.stages.order import versions  # torch comes with it

    with path_of("--out", page):
        entries = make_index(folders, page, versions())
    stale = sum(bool(entry.stale) for entry in entries)
    print(f"{page}: {len(entries)} experiments, {stale} of them superseded or of older stages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
