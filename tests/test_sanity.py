import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tats_exp.data.shapes import Shapes
from tats_exp.metrics.sanity import DISTORTIONS
from tats_exp.run_folder import Protocol
from tats_exp.sanity.__main__ import main


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    world = Shapes(4, 1, frames=100, resolution=16, seed=0).split("train")
    folder = tmp_path / "clips"
    folder.mkdir()
    np.save(folder / "videos.npy", np.stack([world.read(video, 0, 48) for video in range(4)]))
    return folder


def test_curves_of_a_folder(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    assert main([f"clips={clips}", f"out={out}", "metrics=shapes_cnn", "windows=4", "device=cpu"]) == 0
    with (out / "sanity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(dict.fromkeys(row["distortion"] for row in rows)) == [distortion.name for distortion in DISTORTIONS]
    noise = [float(row["fvd"]) for row in rows if row["distortion"] == "noise"]
    assert noise[-1] > 3 * noise[0] > 0
    assert all(float(row["layout"]) > 0 for row in rows)
    protocol = Protocol.from_dict(json.loads((out / "protocol.json").read_text()))
    assert (protocol.n_real, protocol.n_generated, protocol.resolution) == (4, 4, "16x16")
    assert (out / "sanity.png").stat().st_size > 10_000


def test_windows_fall_to_what_there_is(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"clips={clips}", f"out={tmp_path}", "metrics=shapes_cnn", "device=cpu"]) == 0
    assert "6 clean and 6 other windows" in capsys.readouterr().out  # 4 videos of 3 windows


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "clips"),
        (["clips=nowhere", "out=x"], "nowhere: no such folder"),
        (["clips=CLIPS", "out=x", "windows=1"], "windows=1"),
        (["clips=CLIPS", "out=x", "windos=9"], "did you mean 'windows'"),
        (["clips=CLIPS", "out=x", "metrics=c3d"], "metrics=c3d: no such option"),
        (["clips=CLIPS", "out=x", "metrics.network.weights=nowhere.pt"], "nowhere.pt"),
    ],
)
def test_wrong_input_is_one_line(given: list[str], told: str, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([one.replace("CLIPS", str(clips)) for one in given]) == 2
    error = capsys.readouterr().err.strip()
    assert told in error and "\n" not in error


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_measured(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main([f"clips={clips}", f"out={tmp_path / 'file'}", "metrics=shapes_cnn", "windows=4"]) == 2
    captured = capsys.readouterr()
    assert "file" in captured.err and captured.out == ""


def test_one_window_is_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "one.npy", np.zeros((16, 8, 8, 3), dtype=np.uint8))
    assert main([f"clips={tmp_path}", f"out={tmp_path}", "metrics=shapes_cnn"]) == 2
    assert "1 windows of 16 frames" in capsys.readouterr().err
