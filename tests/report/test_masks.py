"""Masks by latent frames, and the runs they are read from."""

import json
from pathlib import Path

from tats_exp.report.masks import masks
from tats_exp.report.runs import group_runs, load_runs
from tats_exp.report.style import LIGHT
from tats_exp.transformer.masks import visible_blocks
from tests.report.sweep import write_run


def run(folder: Path, mask: str, seed: int, leak: float, frames: int = 3, **status: object) -> None:
    write_run(folder, {"mask": mask, "sampler.key_every": str(frames - 1), "seed": str(seed)}, **status)
    blocks = [[leak if 0 < row == column < frames - 1 else None for column in range(frames)] for row in range(frames)]
    told = {"mask": mask, "window": [frames, 2, 2], "condition_length": 1, "leak": blocks}
    told["visible"] = visible_blocks(mask, 1, [frames, 2, 2]).tolist()
    (folder / "mask.json").write_text(json.dumps(told))


def test_each_mask_is_drawn_once_with_the_mean_of_its_leaks(tmp_path: Path) -> None:
    for seed in range(2):
        run(tmp_path / f"b{seed}", "b", seed, leak=0.1 + 0.2 * seed)
        run(tmp_path / f"c{seed}", "c", seed, leak=0.0)
    with LIGHT.apply():
        figure = masks(group_runs(load_runs(tmp_path)), LIGHT)
    assert len(figure.axes) == 4
    assert "mask b" in figure.axes[0].get_title(loc="left") and "mask c" in figure.axes[2].get_title(loc="left")
    assert [text.get_text() for text in figure.axes[1].texts] == ["0.2"]
    assert [text.get_text() for text in figure.axes[3].texts] == ["0"]


def test_windows_of_other_lengths_are_drawn_apart(tmp_path: Path) -> None:
    for frames in (3, 5):
        run(tmp_path / f"{frames}", "b", 0, leak=0.1, frames=frames)
    with LIGHT.apply():
        figure = masks(group_runs(load_runs(tmp_path)), LIGHT)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert "mask b, 3x2x2" in titles[0] and "mask b, 5x2x2" in titles[2] and len(titles) == 4


def test_without_an_interpolation_transformer_nothing_is_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"})
    assert masks(group_runs(load_runs(tmp_path)), LIGHT) is None


def test_the_speed_of_sampling_is_a_value_like_others(tmp_path: Path) -> None:
    run(tmp_path / "a", "c", 0, leak=0.0, speed={"speed/seconds_per_1024_frames": 2.5})
    (found,) = load_runs(tmp_path)
    assert found.values["speed/seconds_per_1024_frames"] == 2.5 and found.mask.mask == "c"
