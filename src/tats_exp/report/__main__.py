"""`python -m tats_exp.report DIR`: print table and verdict of a run or sweep folder, write its page."""

import argparse
import sys
from pathlib import Path

from tats_exp.cli import guarded
from tats_exp.report import make_report


def main(arguments: list[str] | None = None) -> int:
    """Make the report of the folder given on the command line.

    Args:
        arguments: instead of the command line's own.

    Returns:
        0, or as `guarded`: 2 if there is nothing to report on.
    """
    parser = argparse.ArgumentParser(prog="python -m tats_exp.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run folder, or a folder of runs")
    folder = parser.parse_args(arguments).folder

    def report() -> int:
        print(make_report(folder).text())
        return 0

    return guarded("tats_exp.report", report)


if __name__ == "__main__":
    sys.exit(main())
