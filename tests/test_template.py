"""The folder that users copy runs as it stands: five things of their own, none of which touches the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tats_exp.run_folder import Metrics, Status, read_results

TEMPLATE = Path(__file__).resolve().parents[1] / "docs" / "template"


@pytest.mark.slow
def test_an_experiment_of_the_template_runs_and_is_reported(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tats_exp", "--config-dir", str(TEMPLATE / "my_lab" / "conf")]
    command += ["+experiment=my_experiment", "scale=smoke", "logger=csv", "trainer=cpu", "threads=1"]
    result = subprocess.run(command, cwd=tmp_path, env=_with_template(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    runs = sorted(path.parent for path in tmp_path.glob("runs/my_experiment/*/*/status.json"))
    assert [Status.read(run).choices["padding.decay"] for run in runs] == ["0", "0.5"]
    assert all("motion_thresholds" in Status.read(run).stages for run in runs)
    assert Status.read(runs[0]).stages["vqgan"] != Status.read(runs[1]).stages["vqgan"]
    for run in runs:
        value = Metrics.read(run).values["my_lab/brightness_range"]
        assert value is not None and 0 <= value < 1
    (table,) = tmp_path.glob("runs/my_experiment/*/report/table.csv")
    assert all("my_lab/brightness_range" in row.values for row in read_results(table) if row.kind == "seed")


def test_its_own_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", str(TEMPLATE / "tests")]
    result = subprocess.run(command, cwd=TEMPLATE, env=_with_template(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def _with_template() -> dict[str, str]:
    """The environment in which the package of the template can be imported."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TEMPLATE), os.environ.get("PYTHONPATH", "")])}
