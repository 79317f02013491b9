"""`python -m tats_exp`: compose conf/, check every run it asks for, run them, report."""

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException

from tats_exp import UserError
from tats_exp.config import conf_dir
from tats_exp.plan import Plan, make_plan
from tats_exp.progress import ProgressBar
from tats_exp.report import make_report
from tats_exp.run import run_job


def main() -> None:
    """Entry point; exits with 0, with 2 when the user's input is wrong, with 1 when a run failed for another reason."""
    # Hydra reads no override behind its flags: those without a value go first.
    arguments = sorted(sys.argv[1:], key=lambda argument: argument not in ("-m", "--multirun"))
    if any(flag in arguments for flag in ("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i")):
        _hydra()
        return
    try:
        plan = make_plan(arguments)
    except (UserError, HydraException) as error:
        sys.exit(_refuse(str(error)))
    folder = _new_folder(Path("runs") / plan.name / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    print(f"{plan.name}: {plan.jobs} run{'s' * (plan.jobs > 1)}, {plan.side_by_side} at a time -> {folder}", flush=True)
    for line in plan.unused + plan.costs:
        print(line, flush=True)
    sys.argv = [sys.argv[0], *arguments, *_overrides(plan, folder)]
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # its errors are told by us
    started = time.time()
    broken = None
    try:
        with ProgressBar(folder, plan.jobs):
            _hydra()
    except (KeyboardInterrupt, SystemExit):
        sys.exit("tats_exp: stopped; start the same command again to go on from the last checkpoints")
    except Exception as error:  # a worker that was killed ends the launcher, what has finished stays
        broken = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    sys.exit(_conclude(folder, time.time() - started, broken))


def _new_folder(folder: Path) -> Path:
    """Make a folder that nobody has yet; two commands of one second get two."""
    for number in range(1, 1000):
        path = folder if number == 1 else folder.with_name(f"{folder.name}_{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise OSError(f"cannot make a folder {folder}")


def _hydra() -> None:
    # The conf folder is absolute: a relative one that leaves the package is refused under `python -m`.
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(run_job)()


def _overrides(plan: Plan, folder: Path) -> list[str]:
    """What the plan knows of the whole sweep and each of its runs must be told."""
    told = {
        "hydra.run.dir": folder / "run",
        "hydra.sweep.dir": folder,
        "swept": f"[{','.join(plan.swept)}]",
        "reserve.training": plan.reserve_training,
        "reserve.encoding": plan.reserve_encoding,
        "store.redo_before": time.time(),
        "threads": plan.threads,
    }
    lines = [f"{key}={value}" for key, value in told.items()]
    if plan.multirun:
        lines += [f"hydra.job.config.override_dirname.exclude_keys=[{','.join(plan.fixed)}]"]
        lines += [f"hydra.launcher.n_jobs={plan.side_by_side}"] * plan.joblib
    return lines


def _conclude(folder: Path, seconds: float, broken: str | None) -> int:
    """Report what the runs left; returns the exit code."""
    statuses: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(folder.rglob("status.json"))]
    failed = [status for status in statuses if status["state"] != "finished"]
    for status in failed:
        choices = " ".join(f"{key}={value}" for key, value in status["choices"].items())
        print(f"tats_exp: {choices} failed: {status['error'] or 'the process was killed'}", file=sys.stderr)
    if broken:
        print(f"tats_exp: {broken}; start the same command again, finished stages are kept", file=sys.stderr)
    if statuses:
        try:
            print(f"\n{make_report(folder).text()}\n\n{seconds / 60:.1f} minutes")
        except (ValueError, OSError) as error:
            print(f"tats_exp: no report: {error}", file=sys.stderr)
            return 2
    if broken or any(not status.get("by_user") for status in failed):
        return 1
    return 2 if failed else 0


def _refuse(message: str) -> int:
    print(f"tats_exp: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
