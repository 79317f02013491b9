from pathlib import Path

import numpy as np

from tats_exp.report.film_strip import FRAMES, read_reconstructions, read_strips
from tats_exp.report.runs import group_runs, load_runs
from tests.report.sweep import write_run, write_video


def test_strips_reach_from_the_first_to_the_last_frame_and_show_one_video(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"padding": "zero", "seed": "0"})
    write_video(run / "videos" / "samples.mp4", 40, 0.0, 0)
    write_video(run / "videos" / "real.mp4", 5, 0.0, 0)
    ((data, zero),) = read_strips(group_runs(load_runs(tmp_path)))
    assert (data.label, data.group, zero.label, zero.group) == ("data", None, "padding=zero", 0)
    assert data.numbers == [0, 1, 2, 3, 4]
    assert zero.numbers[0] == 0 and zero.numbers[-1] == 39 and len(set(zero.numbers)) == FRAMES
    # Only the leftmost of the four videos: a square, and its disc is red.
    assert all(frame.shape[0] == frame.shape[1] for frame in zero.frames)
    assert np.asarray(zero.frames)[..., 0].max() > 180 and np.asarray(zero.frames)[..., 1].max() < 180
    (spread, (data, zero)) = read_strips(group_runs(load_runs(tmp_path)), steps=(None, 2))
    assert [strip.label for strip in spread] == [data.label, zero.label]
    assert data.numbers == [0, 2, 4] and zero.numbers == list(range(0, 2 * FRAMES, 2))


def test_the_first_readable_seed_stands_for_its_choice(tmp_path: Path) -> None:
    for seed in range(2):
        run = write_run(tmp_path / f"{seed}", {"padding": "zero", "seed": str(seed)})
        write_video(run / "videos" / "samples.mp4", 2 + seed, 0.0, seed)
    (tmp_path / "0" / "videos" / "samples.mp4").write_bytes(b"no video")
    ((strip,),) = read_strips(group_runs(load_runs(tmp_path)))
    assert strip.numbers == [0, 1, 2]


def test_data_alone_makes_no_strip(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"seed": "0"})
    write_video(run / "videos" / "real.mp4", 2, 0.0, 0)
    assert read_strips(group_runs(load_runs(tmp_path))) == [[]]


def test_a_window_stands_above_what_every_choice_made_of_it(tmp_path: Path) -> None:
    from tats_exp.data.video_writer import VideoWriter

    for padding, level in (("real", 200), ("zero", 90)):
        run = write_run(tmp_path / padding, {"padding": padding, "seed": "0"})
        rows = np.full((16, 32, 64, 3), 30, np.uint8)  # four windows beside each other
        rows[:, 16:] = level
        with VideoWriter(run / "videos" / "reconstruction.mp4", fps=8.0, scale=2) as writer:
            writer.write(rows)
    strips = read_reconstructions(group_runs(load_runs(tmp_path)))
    assert [(strip.label, strip.group) for strip in strips] == [
        ("data", None),
        ("padding=real", 0),
        ("padding=zero", 1),
    ]
    for strip, level in zip(strips, (30, 200, 90), strict=True):
        assert all(frame.shape[:2] == (32, 32) for frame in strip.frames)
        assert abs(np.median(strip.frames) - level) < 4


def test_without_a_reconstruction_there_is_no_such_strip(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"})
    assert read_reconstructions(group_runs(load_runs(tmp_path))) == []
