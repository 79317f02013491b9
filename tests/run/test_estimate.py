"""What a sweep will cost is counted right, measured fast, and told once before its first run starts."""

import json
import os
import time
from pathlib import Path

import pytest
from torch import nn

from runs import QUICK, run_folders, tats_exp
from tats_exp.__main__ import command
from tats_exp.run import estimate, meter
from tats_exp.run.amounts import Seen, amounts_of, encoded_windows
from tats_exp.run.disk import weight_bytes
from tats_exp.run.estimate import estimate_line, in_words, size_in_words, wall_seconds
from tats_exp.run.meter import costs_alike
from tats_exp.run.plan import make_plan
from tats_exp.run.planned import planned_stages
from tats_exp.run.timing import SCRATCH, scratch

SMOKE = ("scale=smoke", "trainer=cpu")
SEEN = Seen(pieces=8, windows=3, features=100)


def test_what_runs_share_is_made_once_and_waited_for() -> None:
    alone = [[("vqgan", 10.0), (("samples", number), 2.0)] for number in range(3)]
    assert wall_seconds(alone, 1) == 10 + 3 * 2
    assert wall_seconds(alone, 3) == 12
    assert wall_seconds(alone, 2) == 14


@pytest.mark.parametrize("side_by_side, waves", [(1, 6), (2, 3), (3, 2), (4, 2), (6, 1)])
def test_equal_runs_go_in_whole_waves(side_by_side: int, waves: int) -> None:
    assert wall_seconds([[(number, 5.0)] for number in range(6)], side_by_side) == waves * 5


def test_numbers_are_told_as_one_says_them() -> None:
    told = [in_words(seconds) for seconds in (0.2, 50.0, 119.0, 120.0, 660.0, 10_800.0, 176_400.0)]
    assert told == ["1 second", "50 seconds", "119 seconds", "2 minutes", "11 minutes", "3 hours", "2 days"]
    assert [size_in_words(size) for size in (10, 60_000_000, 2_340_000_000)] == ["1 MB", "60 MB", "2.3 GB"]


def test_weights_count_as_they_are_written() -> None:
    assert weight_bytes(nn.Linear(3, 2), None, nn.BatchNorm1d(4)) == 4 * (3 * 2 + 2) + 4 * 4 * 4 + 8


def test_amounts_are_those_of_the_config() -> None:
    config = make_plan(["padding=real", *SMOKE]).configs[0]
    counted = {stage: amounts_of(stage, config, SEEN) for stage in ("vqgan", "transformer", "codes", "samples")}
    assert counted == {
        "vqgan": {"vqgan_step": 12, "judged_vqgan_step": 0},
        "transformer": {"transformer_step": 12},
        "codes": {"encoded_window": 64 + 4 * 8},
        "samples": {"sampled_latent_frame": 8 * (48 // 4 + 2 * 3)},
    }
    assert amounts_of("reference", config, SEEN) == {"looked_at_window": 16 + 8 + 8}
    assert amounts_of("rebuilt", config, SEEN) == {
        "rebuilt_window": 24,
        "encoded_window": 24,
        "decoded_window": 24,
        "looked_at_window": 48,
    }
    assert amounts_of("metrics", config, SEEN) == {
        "rebuilt_window": 8,
        "decoded_window": 24,
        "looked_at_window": 24,
    }
    assert amounts_of("tokenizer", config, SEEN) == {} and amounts_of("of_ones_own", config, SEEN) is None


def test_discriminators_take_part_from_their_step_on() -> None:
    lines = ["discriminators=both", "vqgan.training.adversarial.warmup_steps=1", "vqgan.training.accumulate=2"]
    config = make_plan([*lines, *SMOKE]).configs[0]
    assert amounts_of("vqgan", config, SEEN) == {"vqgan_step": 3 * 2, "judged_vqgan_step": 9 * 2}


def test_long_windows_are_encoded_at_their_place_alone() -> None:
    config = make_plan(["sampler=hierarchical", "sampler.key_every=3", *SMOKE]).configs[0]
    assert encoded_windows(config, long=True) == (64 + 8, 10)
    assert amounts_of("long_codes", config, SEEN) == {"encoded_window": 72 * 2.5}


def test_runs_that_differ_in_the_sampler_share_what_they_can() -> None:
    plan = make_plan(["-m", "sampler=sliding,short", "seed=0", *SMOKE])
    folders = [{stage.name: stage.folder for stage in run} for run in planned_stages(plan.configs)]
    shared = {name for name in folders[0] if folders[0][name] == folders[1][name]}
    assert shared == {"reference", "vqgan", "codes", "transformer"}


def test_a_seed_costs_what_another_does_and_a_padding_does_not() -> None:
    first, second, third, fourth = make_plan(["-m", "padding=zero,real", "seed=0,1", *SMOKE]).configs
    assert costs_alike("vqgan_step", first) == costs_alike("vqgan_step", second)
    assert costs_alike("vqgan_step", first) != costs_alike("vqgan_step", third)
    assert costs_alike("transformer_step", first) == costs_alike("transformer_step", fourth)


@pytest.mark.parametrize("options", [(), ("sampler=hierarchical", "mask=b"), ("discriminators=both",)])
def test_every_kind_of_sweep_is_estimated_whole(options: tuple[str, ...]) -> None:
    configs = make_plan(["-m", "padding=zero,real", "seed=0,1", *SMOKE, *options]).configs
    line = estimate_line(configs, 2)
    assert line.startswith("4 runs, 2 side by side: about ") and "without" not in line
    assert "on this machine (the store holds 0 of " in line


def test_what_cannot_be_timed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: object) -> float:
        raise RuntimeError("no\nsuch kernel")

    monkeypatch.setitem(meter._TIMED, "sampled_latent_frame", broken)
    line = estimate_line(make_plan([*SMOKE]).configs, 1)
    assert "on this machine, without sampled latent frame (" in line and "\n" not in line


def test_an_estimate_that_fails_is_told_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "planned_stages", lambda configs: 1 / 0)
    line = estimate_line(make_plan([*SMOKE]).configs, 1)
    assert line == "1 run: cost unknown (ZeroDivisionError: division by zero)"


def test_no_line_is_told_where_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["--cfg", "job", *SMOKE]) == 0
    assert "on this machine" not in capsys.readouterr().out


def test_the_line_is_told_once_before_the_first_run_and_knows_what_is_there(tmp_path: Path) -> None:
    sweep = ("-m", "sampler=sliding,short", *QUICK)
    told = tats_exp(tmp_path, *sweep)
    assert told.returncode == 0, told.stderr
    (line,) = [line for line in told.stdout.splitlines() if "on this machine" in line]
    assert told.stdout.splitlines().index(line) == 1 and line.endswith("(the store holds 0 of 10 stages)")
    stored = {path.name for path in tmp_path.glob("runs/store/*/*") if path.is_dir()}
    recorded = [json.loads((run / "status.json").read_text())["stages"] for run in run_folders(tmp_path)]
    assert {key for stages in recorded for key in stages.values()} == stored and len(stored) == 10
    again = make_plan([*sweep, f"store.root={tmp_path}/runs/store"])
    assert estimate_line(again.configs, 1) == "2 runs: nothing to make, the store holds all 10 stages"


def test_folders_of_timings_that_were_killed_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = time.time() - 10
    for name, lock_there, age in (("killed", True, 0), ("half_made", False, old), ("just_made", False, 0)):
        (folder := tmp_path / f"{SCRATCH}{name}").mkdir()
        if lock_there:
            (folder / "lock").touch()
        if age:
            os.utime(folder, (age, age))
    with scratch() as folder, scratch() as other:
        assert folder.is_dir() and other.is_dir()
        left = {path.name for path in tmp_path.iterdir()} - {folder.parent.name, other.parent.name}
        assert left == {f"{SCRATCH}just_made"}
    assert [path.name for path in tmp_path.iterdir()] == [f"{SCRATCH}just_made"]
