import math

import pytest
import torch

from tats_exp.metrics import (
    code_histograms,
    code_perplexity,
    drawn_divergence,
    first_window_past,
    growth,
    js_divergence,
)
from tats_exp.metrics.drift import frames_at


def random_codes(*shape: int, size: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, size, shape, generator=torch.Generator().manual_seed(seed))


def random_histograms(*shape: int, seed: int = 0) -> torch.Tensor:
    return (3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).softmax(-1)


def test_histograms_keep_places_apart() -> None:
    codes = torch.zeros(5, 3, 2, 2, dtype=torch.int64)
    codes[:, 1] = 2
    codes[0, 2] = 3
    expected = torch.tensor([[1, 0, 0, 0], [0, 0, 1, 0], [0.8, 0, 0, 0.2]])
    assert torch.allclose(code_histograms(codes, 4), expected.double())


def test_mean_over_places_is_the_histogram_of_everything() -> None:
    codes = random_codes(7, 4, 3, 3)
    whole = torch.bincount(codes.flatten(), minlength=16) / codes.numel()
    assert torch.allclose(code_histograms(codes, 16).mean(0), whole.double())


@pytest.mark.parametrize("wrong", [-1, 16])
def test_code_outside_the_codebook_is_refused(wrong: int) -> None:
    codes = random_codes(2, 4, 2, 2)
    codes[1, 2, 0, 0] = wrong
    with pytest.raises(ValueError, match=r"allowed: 0\.\.15"):
        code_histograms(codes, 16)


def test_js_bounds_and_symmetry() -> None:
    p, q = random_histograms(50, 12, seed=0), random_histograms(50, 12, seed=1)
    value = js_divergence(p, q)
    assert torch.allclose(value, js_divergence(q, p))
    assert bool((value > 0).all()) and bool((value < math.log(2)).all())
    assert js_divergence(p, p).abs().max() < 1e-12
    apart = torch.tensor([0.5, 0.5, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.1, 0.9])
    assert float(js_divergence(*apart)) == pytest.approx(math.log(2), rel=1e-6)


def test_js_is_the_mean_kl_to_the_middle() -> None:
    p, q = random_histograms(12, seed=0).double(), random_histograms(12, seed=1).double()
    middle = (p + q) / 2
    expected = ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) / 2
    assert float(js_divergence(p, q)) == pytest.approx(float(expected), rel=1e-10)


def test_js_of_a_code_that_neither_uses_is_finite() -> None:
    p, q = torch.tensor([0.25, 0.75, 0.0]), torch.tensor([0.5, 0.5, 0.0])
    assert float(js_divergence(p, q)) == pytest.approx(float(js_divergence(p[:2], q[:2])), rel=1e-12)


def test_perplexity_counts_codes_in_use() -> None:
    histogram = torch.zeros(3, 10)
    histogram[0, 4] = 1
    histogram[1, :5] = 0.2
    histogram[2] = 0.1
    assert code_perplexity(histogram).tolist() == pytest.approx([1.0, 5.0, 10.0], rel=1e-6)


def test_counts_are_repetitions_of_windows() -> None:
    codes, counts = random_codes(6, 4, 3, 3), torch.tensor([0, 2, 1, 0, 3, 1])
    repeated = code_histograms(codes.repeat_interleave(counts, dim=0), 16)
    assert torch.allclose(code_histograms(codes, 16, counts), repeated, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("lower", "expected"),
    [
        ([0.0, 1.1, 2.0], 1),
        ([0.0, 1.1, 0.9, 1.2, 1.3], 3),  # it came back: from then on, not before
        ([0.0, 5.0, 1.0], math.inf),  # the limit itself is not past
        ([0.0], math.inf),
        ([0.0, math.nan, 2.0], 2),  # what is no number is past nothing
    ],
)
def test_the_first_window_past_is_that_from_which_on_all_are(lower: list[float], expected: float) -> None:
    assert first_window_past(lower, 1.0) == expected


def test_growth_is_the_logarithm_of_how_often_the_later_half_holds_the_first_window() -> None:
    assert growth([1.0, 9.0, 5.0, 7.0], 2.0) == pytest.approx(math.log(8 / 3))
    assert growth([1.0, 9.0, 5.0], 2.0) == pytest.approx(math.log(7 / 3))  # of three windows the last alone is late
    assert growth([3.0, 3.0], 0.0) == 0.0
    assert growth([1.0], 2.0) is None
    assert growth([1.0, math.nan, 5.0], 2.0) == pytest.approx(math.log(7 / 3))
    assert growth([1.0, 2.0, math.nan], 2.0) is None and growth([0.0, 2.0], 0.0) is None


def test_frames_are_taken_from_their_slots_and_windows_take_turns_where_there_are_several() -> None:
    windows = torch.arange(4)[:, None] * 10 + torch.arange(5)  # window x 10 + slot
    taken = frames_at(windows[..., None, None], [(3,), (0, 2, 4)])[..., 0, 0]
    assert taken.tolist() == [[3, 0], [13, 12], [23, 24], [33, 30]]
    with pytest.raises(ValueError, match="at least one place"):
        frames_at(windows[..., None, None], [(3,), ()])


def test_divergence_from_the_slot_drawn_sees_that_slot_alone() -> None:
    random = torch.Generator().manual_seed(0)
    real = torch.randint(4, (64, 3, 2, 2), generator=random) + 4 * torch.arange(3)[:, None, None]
    drawn = real[:, [1, 1]]
    assert drawn_divergence(drawn, real, [(1,), (1,)], 12) == 0
    assert drawn_divergence(drawn, real, [(0,), (2,)], 12) == pytest.approx(math.log(2))
    half = drawn_divergence(drawn, real, [(0, 1), (1,)], 12)  # one of two latent frames, every other window of it
    mixed = js_divergence(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0]))
    assert half == pytest.approx(float(mixed) / 2, abs=0.02)


def test_every_latent_frame_needs_a_slot() -> None:
    codes = torch.zeros(3, 2, 1, 1, dtype=torch.int64)
    with pytest.raises(ValueError, match="allowed: 3 windows of 1 latent frames"):
        drawn_divergence(codes, codes, [(0,)], 4)
