from pathlib import Path

import numpy as np

from tats_exp.report.film_strip import FRAMES, read_strips
from tats_exp.report.runs import group_runs, load_runs
from tests.report.sweep import write_run, write_video


def test_strips_reach_from_the_first_to_the_last_frame_and_show_one_video(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"padding": "zero", "seed": "0"})
    write_video(run / "videos" / "samples.mp4", 40, 0.0, 0)
    write_video(run / "videos" / "real.mp4", 5, 0.0, 0)
    data, zero = read_strips(group_runs(load_runs(tmp_path)))
    assert (data.label, data.group, zero.label, zero.group) == ("data", None, "padding=zero", 0)
    assert data.numbers == [0, 1, 2, 3, 4]
    assert zero.numbers[0] == 0 and zero.numbers[-1] == 39 and len(set(zero.numbers)) == FRAMES
    # Only the leftmost of the four videos: a square, and its disc is red.
    assert all(frame.shape[0] == frame.shape[1] for frame in zero.frames)
    assert np.asarray(zero.frames)[..., 0].max() > 180 and np.asarray(zero.frames)[..., 1].max() < 180


def test_the_first_readable_seed_stands_for_its_choice(tmp_path: Path) -> None:
    for seed in range(2):
        run = write_run(tmp_path / f"{seed}", {"padding": "zero", "seed": str(seed)})
        write_video(run / "videos" / "samples.mp4", 2 + seed, 0.0, seed)
    (tmp_path / "0" / "videos" / "samples.mp4").write_bytes(b"no video")
    (strip,) = read_strips(group_runs(load_runs(tmp_path)))
    assert strip.numbers == [0, 1, 2]


def test_data_alone_makes_no_strip(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"seed": "0"})
    write_video(run / "videos" / "real.mp4", 2, 0.0, 0)
    assert read_strips(group_runs(load_runs(tmp_path))) == []
