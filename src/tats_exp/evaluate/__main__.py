"""`python -m tats_exp.evaluate real=DIR generated=DIR`: how far generated videos are from real ones, whoever made them.

Reads folders of video files, npy arrays or frames, batch by batch, and leaves a run folder per generated folder with
metrics.json (values, floors, protocol) and curves.csv, and a report over all of them.
"""

import sys
from datetime import datetime
from pathlib import Path

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.command import command, read_config
from tats_exp.config.overrides import folder_name
from tats_exp.evaluate.config import EvaluateConfig
from tats_exp.run.folders import writable


def run(overrides: list[str]) -> None:
    """Evaluate what the keys name.

    Raises:
        UserError: a key, a folder or the weights are not what they should be: one line about all folders, before
            anything is measured; or, once the others are measured and reported, about those that turned out bad.
    """
    config = read_config("evaluate", overrides, EvaluateConfig)
    from tats_exp.config.check import check_metrics  # torch comes with these
    from tats_exp.evaluate.evaluator import Evaluator
    from tats_exp.evaluate.folders import several
    from tats_exp.report import print_report

    check_metrics(config.metrics)
    out = Path(config.out or f"runs/evaluate/{datetime.now():%Y-%m-%d_%H-%M-%S}")
    if any(out.glob("*/status.json")):
        raise UserError(f"out={out}: holds an evaluation already; name another folder")
    evaluator = Evaluator(config)
    with path_of("out", out):
        writable(out)  # not to learn after hours that it cannot be
    if (line := evaluator.cost()) is not None:
        print(line, flush=True)
    if (line := evaluator.no_common_table()) is not None:
        print(line, flush=True)
    runs = [out / folder_name(f"{number}_{Path(folder).name}") for number, folder in enumerate(evaluator.generated)]
    done, wrong = 0, []
    try:
        for folder, run_folder in zip(evaluator.generated, runs, strict=True):
            try:
                evaluator.evaluate(folder, run_folder)
                done += 1
            except UserError as error:  # found while reading; the other folders can be measured all the same
                evaluator.give_up(folder, run_folder, str(error))
                wrong.append(f"generated: {folder}: {error}")
    finally:  # what was measured before something went wrong has its report all the same
        if done:
            print_report(out)
    if wrong:
        raise UserError(several(wrong))


def main(arguments: list[str] | None = None) -> int:
    """Evaluate what the command line names; arguments and exit code as `command`."""
    return command("evaluate", __doc__, run, arguments)


if __name__ == "__main__":
    sys.exit(main())
