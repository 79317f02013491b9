"""`python -m tats_exp`: compose conf/, check every run it asks for, run them, report.

What is needed to run is imported once it is known that something will: a typo is told without waiting for torch. And
nothing is imported before a stop is answered in one line.
"""

import os
import signal
import sys
import time
import traceback
import typing
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from tats_exp import UserError
from tats_exp.cli import deaf_children, disk_is_full, error_line, guarded, path_of

if typing.TYPE_CHECKING:
    from tats_exp.run.plan import Plan
    from tats_exp.run.sweep import Sweep


def main() -> None:
    """Entry point; exits with 0, with 2 when the user's input is wrong, with 1 when a run failed for another reason."""
    code = guarded("tats_exp", lambda: command(sys.argv[1:]))
    for number in (signal.SIGINT, signal.SIGTERM):  # all is said, and Python is slow to end
        signal.signal(number, signal.SIG_IGN)
    # Once a KeyboardInterrupt went through the exec of a text, `python -m` ends with SIGINT, whatever is made of it.
    exec("")  # forgets it
    sys.exit(code)


def command(arguments: list[str]) -> int:
    """Do what a command line asks for; returns the exit code.

    Raises:
        UserError: it asks for what there is not; one line, nothing has run.
    """
    from tats_exp.config.schema import Config, validated
    from tats_exp.run.flags import read_command_line, show
    from tats_exp.run.folders import folders_kept, own_folder
    from tats_exp.run.resume import going_on, said_before
    from tats_exp.run.sweep import compose_sweep

    arguments = said_before(arguments)
    given = read_command_line(arguments)
    if show(given):
        return 0
    sweep = compose_sweep(given)
    for run in sweep.runs():
        validated(run, Config)
    from tats_exp.run.estimate import estimate_line
    from tats_exp.run.plan import plan_of

    plan = plan_of(sweep)
    _check_stores(plan)
    cost = estimate_line(plan.configs, plan.side_by_side)
    with own_folder(sweep, plan.configs) as sweep:
        runs = f"{plan.jobs} run{'s' * (plan.jobs > 1)}"
        print(f"{plan.name}: {runs}, {plan.side_by_side} at a time -> {sweep.folder}", flush=True)
        if (line := going_on(sweep.folder)) is not None:
            print(line, flush=True)
        for line in plan.unused + plan.costs:
            print(line, flush=True)
        print(cost, flush=True)
        told = {"command": tuple(arguments), "started_in": str(Path.cwd()), **folders_kept(sweep)}
        return _start(given, sweep, replace(plan, record=plan.record.model_copy(update=told)))


def _check_stores(plan: "Plan") -> None:
    """Refuse a store that cannot be written where something is still to be made in it."""
    from tats_exp.run.folders import writable
    from tats_exp.run.planned import planned_stages

    for store in plan.stores:
        try:
            with path_of("store.root", store):
                writable(Path(store))
        except UserError:
            stages = planned_stages([config for config in plan.configs if config.store.root == store])
            if not all(stage.held for run in stages for stage in run):
                raise


def _start(given: Namespace, sweep: "Sweep", plan: "Plan") -> int:
    """Have the runs started, wait for them, and report; returns the exit code."""
    from tats_exp.data.judging import hand_over
    from tats_exp.progress import ProgressBar

    hand_over(sweep.folder / "videos.json")
    plan.record.write(sweep.folder)
    started = time.time()
    broken: Exception | None = None
    try:
        with ProgressBar(sweep.folder, plan.jobs, plan.side_by_side, plan.configs[0].progress):
            _run(given, sweep, plan)
    except KeyboardInterrupt:
        return _stopped(sweep.folder, time.time() - started)
    except Exception as error:  # a worker that was killed ends the launcher, what has finished stays
        broken = error
    return _conclude(sweep.folder, time.time() - started, broken)


def _run(given: Namespace, sweep: "Sweep", plan: "Plan") -> None:
    """Have Hydra start the runs. It is told where they go; what they must know of the sweep they find there."""
    from tats_exp.config.compose import configuration
    from tats_exp.config.overrides import assigned
    from tats_exp.run.folders import folders_told
    from tats_exp.run.job import COMMAND, run_job
    from tats_exp.run.sweep import hidden

    os.environ.pop(COMMAND, None)
    if plan.joblib:  # its processes are of this machine, and of no use without this one
        os.environ[COMMAND] = str(os.getpid())
    lines = [*sweep.lines, *(assigned(key, folder) for key, folder in folders_told(sweep).items())]
    lines += ["hydra.job.chdir=false"]  # paths are taken from the folder that one starts in
    if plan.joblib:
        lines.append(f"hydra.launcher.n_jobs={plan.side_by_side}")
        if sweep.hydra.launcher.get("temp_folder") is None:  # left in /dev/shm, it would outlive a kill
            lines.append(assigned("hydra.launcher.temp_folder", sweep.folder))
    with configuration(given.config_dir) as hydra, deaf_children() if plan.joblib else nullcontext():
        if sweep.multirun:
            hydra.multirun("config", run_job, [*lines, hidden(sweep.hydra, sweep.fixed), "hydra.mode=MULTIRUN"])
        else:
            hydra.run("config", run_job, [*lines, "hydra.mode=RUN"])


def _stopped(folder: Path, seconds: float) -> int:
    """Say that the command was stopped, and report what is finished; returns the exit code."""
    from tats_exp.run_folder import Status

    line = "stopped; start the same command again to go on from the last checkpoints"
    print(f"tats_exp: {line}", file=sys.stderr, flush=True)
    _tidy(folder)
    states = []
    for path in folder.rglob(Status.FILE):
        status = Status.read(path.parent)
        if status.state == "killed":  # in a process that ended with this command
            status.model_copy(update={"state": "stopped"}).write(path.parent)
        states.append(status.state)
    if "finished" in states:
        guarded("tats_exp: no report", lambda: _report(folder, seconds))
    return 1


def _conclude(folder: Path, seconds: float, broken: Exception | None) -> int:
    """Report what the runs left; returns the exit code."""
    from tats_exp.run_folder import Status

    _tidy(folder)
    statuses = [Status.read(path.parent) for path in sorted(folder.rglob(Status.FILE))]
    failed = [status for status in statuses if status.state != "finished"]
    for status in failed:
        choices = " ".join(f"{key}={value}" for key, value in status.choices.items())
        print(f"tats_exp: {choices} failed: {status.error or 'the process was killed'}", file=sys.stderr)
    codes = [2 if status.by_user else 1 for status in failed]
    if broken is not None:
        codes.append(2 if isinstance(broken, UserError) else 1)
        line = error_line(broken)[:300]
        if not isinstance(broken, UserError) and not disk_is_full(broken):
            (folder / "error.txt").write_text("".join(traceback.format_exception(broken)))
            line += f" (see {folder / 'error.txt'})"
        print(f"tats_exp: {line}; start the same command again, finished stages are kept", file=sys.stderr)
    if statuses:
        codes.append(guarded("tats_exp: no report", lambda: _report(folder, seconds)))
    return 1 if 1 in codes else max(codes, default=0)


def _tidy(folder: Path) -> None:
    """Remove what workers that were ended were writing into the folders of their runs."""
    from tats_exp.run_folder import Status

    for status in folder.rglob(Status.FILE):
        for temporary in status.parent.glob(".*.tmp"):
            temporary.unlink(missing_ok=True)


def _report(folder: Path, seconds: float) -> int:
    from tats_exp.report import print_report

    print_report(folder)
    print(f"\n{seconds / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    main()
