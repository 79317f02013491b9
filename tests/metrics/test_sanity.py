from collections import defaultdict

import pytest
import torch
from torch import Tensor

from tats_exp.data.shapes import Shapes
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_windows
from tats_exp.features import ShapesCNN
from tats_exp.metrics import Networks, frechet_distance, polynomial_mmd
from tats_exp.metrics.distortions import add_noise
from tats_exp.metrics.sanity import DISTORTIONS, PASSES, sanity_curves

NETWORKS = Networks(ShapesCNN.pretrained(), None, torch.device("cpu"))


def halves(count: int) -> tuple[Tensor, Tensor]:
    world = Shapes(2 * count, 1, frames=200, resolution=16, seed=0).split("train")
    clips = read_windows(world, draw_windows(world, 2 * count, 16, seed=0), 16)
    return clips[0::2], clips[1::2]


def curve(rows: list[dict], name: str, key: str) -> list[float]:
    return [row[key] for row in rows if row["distortion"] == name]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    clean, clips = halves(64)
    return sanity_curves(NETWORKS, clean.split(16), clips.split(16), 0, lambda done: None)


@pytest.mark.parametrize("key", ["fvd", "kvd"])
@pytest.mark.parametrize(("name", "visible"), [("noise", 3), ("blur", 3), ("shuffled frames", 1)])
def test_distances_grow_with_what_is_visible(rows: list[dict], key: str, name: str, visible: int) -> None:
    values = curve(rows, name, key)
    seen = values[visible:]
    assert seen == sorted(seen)
    assert seen[0] > values[0] and seen[-1] > 2 * abs(values[0])
    # what is too faint for this network and these numbers stays at the floor, where chance decides
    assert max(values[:visible]) < seen[0]


@pytest.mark.parametrize("key", ["fvd", "kvd"])
def test_stuttering_is_seen_and_time_reversal_is_not(rows: list[dict], key: str) -> None:
    floor = curve(rows, "noise", key)[0]
    assert max(curve(rows, "frozen frames", key)) > 4 * abs(floor)
    assert curve(rows, "time reversed", key)[1] == pytest.approx(floor, rel=0.5)


def test_the_layout_sees_palettes_and_places_go_wrong_and_no_order_of_frames(rows: list[dict]) -> None:
    floor = curve(rows, "noise", "layout")[0]
    for name in ("one palette", "one place"):
        values = curve(rows, name, "layout")
        assert values == sorted(values) and values[-1] > 5 * floor, name
    for name in ("shuffled frames", "time reversed"):  # the same frames, and so the same means
        assert curve(rows, name, "layout") == pytest.approx([floor] * len(curve(rows, name, "layout"))), name


def test_level_0_is_the_floor_and_rows_are_the_distances_of_the_features(rows: list[dict]) -> None:
    network, (clean, clips) = ShapesCNN.pretrained(), halves(64)
    real = network.features(clean)
    for distortion in DISTORTIONS:
        assert curve(rows, distortion.name, "fvd")[0] == pytest.approx(
            float(frechet_distance(real, network.features(clips))), rel=1e-4
        )
    noisy = torch.cat([add_noise(clip[None], 0.4, seed=i) for i, clip in enumerate(clips)])
    assert curve(rows, "noise", "kvd")[-1] == pytest.approx(
        float(polynomial_mmd(real, network.features(noisy))), rel=1e-4
    )


def test_batches_change_nothing_and_progress_ends_at_all_that_was_looked_at() -> None:
    clean, clips = halves(6)
    told = defaultdict(list)
    found = {
        size: sanity_curves(NETWORKS, clean.split(size), clips.split(size), 3, told[size].append) for size in (2, 6)
    }
    for one, other in zip(found[2], found[6], strict=True):
        assert one["fvd"] == pytest.approx(other["fvd"], rel=1e-3)
        assert one["layout"] == pytest.approx(other["layout"], rel=1e-3)
    for done in told.values():
        assert done == sorted(done) and done[-1] == 6 * (1 + PASSES)
