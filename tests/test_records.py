"""The records of `experiments/`: each question has one, its commands compose, its intervals can be worked out again."""

import csv
import json
import math
import shutil
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

from tats_exp.config.schema import conf_dir
from tats_exp.run.flags import read_command_line
from tats_exp.run.sweep import compose_sweep

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
QUESTIONS = sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml"))


def script(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


record, recompute = script("record"), script("recompute")
COMPARED = sorted({path.parent.name for path in EXPERIMENTS.glob("*/comparisons*.csv")})
SCRIPTS = sorted(path.relative_to(EXPERIMENTS).with_suffix("") for path in EXPERIMENTS.glob("**/*.py"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_of_the_package_has_a_record_that_the_report_can_name(question: str) -> None:
    assert (EXPERIMENTS / question / "README.md").is_file()


@pytest.mark.parametrize("name", map(str, SCRIPTS))
def test_every_script_can_be_imported(name: str) -> None:
    assert callable(script(name).main)


@pytest.mark.parametrize("name", COMPARED)
def test_every_interval_can_be_worked_out_again(name: str) -> None:
    compared, largest = recompute.recompute(EXPERIMENTS / name)
    assert compared > 0 and largest < recompute.TOLERANCE


def test_an_interval_that_is_not_that_of_the_results_is_found(tmp_path: Path) -> None:
    for name in ("results.csv", "comparisons.csv"):
        shutil.copy(EXPERIMENTS / COMPARED[0] / name, tmp_path / name)
    told = (tmp_path / "comparisons.csv").read_text().splitlines()
    cells = told[1].split(",")
    cells[-2] = repr(float(cells[-2]) + 0.01)
    (tmp_path / "comparisons.csv").write_text("\n".join([told[0], ",".join(cells), *told[2:], ""]))
    assert recompute.recompute(tmp_path)[1] == pytest.approx(0.01)
    results = (tmp_path / "results.csv").read_text()
    (tmp_path / "results.csv").write_text(results.replace("seed,", "seed,other="))
    with pytest.warns(RuntimeWarning):
        assert recompute.recompute(tmp_path)[1] == math.inf


@pytest.mark.parametrize("name", record.RECORDS)
def test_the_commands_of_a_record_compose_and_a_finished_one_holds_all_their_runs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TATS_EXP_CLIPS", "clips")
    runs = 0
    for command in record.commands(name):
        seeds = next((len(part.split(",")) for part in command if part.startswith("seed=")), 1)
        of_one = ["seed=0" if part.startswith("seed=") else part for part in command[3:]]
        sweep = compose_sweep(read_command_line(of_one))
        assert str(sweep.folder).startswith(f"runs/records/{name}")
        runs += seeds * len(sweep.jobs)
    kept = EXPERIMENTS / name / "record.json"
    if kept.is_file():
        shown = [" ".join(["python", *command[1:]]) for command in record.commands(name)]
        assert json.loads(kept.read_text())["commands"] == shown
        made = [row for path in kept.parent.glob("results*.csv") for row in rows(path) if row["kind"] == "seed"]
        assert len(made) == runs
