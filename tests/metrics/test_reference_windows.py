"""The real windows: drawn anew for every repeat, disjoint, of one kind; stored and read back as they were."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from metrics.made_findings import a_window, real_windows
from tats_exp.data.shapes import Shapes
from tats_exp.metrics import ReferenceWindows
from tats_exp.metrics.reference_windows import draw_reference, places_of


def test_repeats_draw_anew_and_each_is_disjoint() -> None:
    videos = Shapes(train_videos=6, test_videos=1, frames=64, resolution=8, seed=0).split("train")
    drawn, floor = draw_reference(videos, reference=8, floor=4, frames=16, repeats=2, seed=0)
    assert floor == 4 and drawn[0] != drawn[1]
    assert all(len({(window.video, window.start) for window in repeat}) == 12 for repeat in drawn)
    fewer, floor = draw_reference(videos, reference=50, floor=40, frames=16, repeats=1, seed=0)
    assert len(fewer[0]) < 90 and floor == len(fewer[0]) // 2


def test_floor_and_reference_are_draws_of_one_kind() -> None:
    videos = Shapes(train_videos=84, test_videos=1, frames=320, resolution=8, seed=0).split("train")
    videos.lengths = [16] * 80 + [320] * 4  # eighty videos of one window, four of twenty
    (windows,), floor = draw_reference(videos, reference=80, floor=80, frames=16, repeats=1, seed=0)
    short = [sum(window.video < 80 for window in side) for side in (windows[:floor], windows[floor:])]
    assert floor == 80 and short == pytest.approx([40, 40], abs=12)


def test_the_first_windows_of_each_repeat_are_the_floor() -> None:
    statistics = a_window(2 * 5, 0)
    real = ReferenceWindows.of(statistics, repeats=2, floor=2)
    assert torch.equal(real.floor[1], statistics.features[5:7])
    assert torch.equal(real.reference[0], statistics.features[2:5])
    assert torch.equal(real.motion, statistics.motion[[2, 3, 4, 7, 8, 9]])
    assert torch.equal(torch.stack(real.by_repeat(torch.cat(list(real.floor)))), real.floor)
    assert torch.equal(real.floor_layout[1], statistics.layout[5:7])
    numbered = replace(real, places=torch.arange(20).reshape(10, 2)).floor_places
    assert [place.video for place in numbered] == [0, 2, 10, 12]
    assert (real.repeats, real.count, real.total, real.reference_count) == (2, 2, 4, 3)


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    videos = Shapes(train_videos=6, test_videos=1, frames=64, resolution=8, seed=0).split("train")
    (places,), _ = draw_reference(videos, reference=8, floor=4, frames=16, repeats=1, seed=0)
    real = real_windows(videos=len(places))
    for stored in (real, replace(real, held_out=real.floor[0].clone(), places=places_of(places))):
        stored.save(tmp_path / "real.safetensors")
        again = ReferenceWindows.load(tmp_path / "real.safetensors")
        for field in fields(ReferenceWindows):
            one, other = getattr(stored, field.name), getattr(again, field.name)
            assert (one is None and other is None) or torch.equal(one, other)
    assert again.windows == places
