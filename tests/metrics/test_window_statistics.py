import torch
from torch import Tensor

from metrics.made_findings import a_window
from tats_exp.metrics import WindowStatistics, brightness, contrast, motion_energy, pixel_statistics, saturation
from tats_exp.metrics.window_statistics import joined_by_window


def some(window: WindowStatistics, places: list[int]) -> WindowStatistics:
    return window.ordered(torch.tensor(places))


def same(one: WindowStatistics, other: WindowStatistics) -> bool:
    a, b = one.given(), other.given()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_few_videos_at_a_time_are_joined_in_order() -> None:
    whole = [a_window(6, 0), a_window(6, 1, looked_at=False)]
    batches = [[some(window, places) for window in whole] for places in ([0, 1], [2, 3, 4, 5])]
    for window, again in zip(whole, joined_by_window(batches), strict=True):
        assert same(window, again)
    assert whole[1].features is None and joined_by_window(batches)[1].features is None


def test_pixel_statistics_are_what_the_pure_functions_give() -> None:
    random = torch.Generator().manual_seed(0)
    video: Tensor = torch.randint(0, 256, (5, 4, 8, 8, 3), generator=random, dtype=torch.uint8)
    seen = pixel_statistics(video)
    assert torch.equal(seen.motion, motion_energy(video)) and torch.equal(seen.contrast, contrast(video))
    assert torch.equal(seen.brightness, brightness(video)) and torch.equal(seen.saturation, saturation(video))
