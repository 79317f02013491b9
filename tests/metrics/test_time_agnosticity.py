import math
import time

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tats_exp.metrics import place_probe, share_unchanged, shift_nll_gap, sliding_gap
from tats_exp.metrics.time_agnosticity import Probe, _counts, _fit_logistic_regression, _places


def random_codes(*shape: int, size: int, seed: int) -> Tensor:
    return torch.randint(0, size, shape, generator=torch.Generator().manual_seed(seed))


def windows_of_streams(streams: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Windows of latent frames at f and at f + 1 when the codes of a video do not depend on the window."""
    return streams[:, :length], streams[:, 1 : length + 1]


def marked(count: int, seed: int) -> Tensor:
    """Codes that carry their place: latent frame i draws from its own quarter of 32 codes."""
    return random_codes(count, 4, 3, 3, size=8, seed=seed) + 8 * torch.arange(4)[:, None, None]


class PlaceModel:
    """Expects at slot i the codes that `marked` puts there; two condition codes, 32 video codes."""

    condition_codes = 2

    def logits(self, condition: Tensor, codes: Tensor) -> Tensor:
        place = torch.arange(codes.shape[1]) // 9
        likes = torch.arange(34)[None] - 2
        return (2.0 * (likes // 8 == place[:, None])).expand(codes.shape[0], -1, -1)


class ContextModel:
    """Expects a code to be that of the same position one latent frame before; the condition as its first code."""

    condition_codes = 3

    def logits(self, condition: Tensor, codes: Tensor) -> Tensor:
        logits = torch.zeros(*codes.shape, 3 + 32)
        before = torch.cat([condition.expand(-1, 9), codes[:, :-9]], dim=1) if codes.shape[1] > 9 else condition
        return logits.scatter(2, (before.expand_as(codes) + 3)[..., None], 4.0)


def shifts_of_streams(streams: Tensor, length: int) -> Tensor:
    """Windows at all shifts when the codes of a video do not depend on the window: (N, S, length, h, w)."""
    return streams.unfold(1, length, 1).movedim(-1, 2)


def test_codes_blind_to_the_window_are_all_unchanged() -> None:
    assert share_unchanged(shifts_of_streams(random_codes(6, 7, 3, 3, size=9, seed=0), 4)) == 1.0


def test_share_counts_the_codes_that_changed() -> None:
    shifts = shifts_of_streams(random_codes(6, 6, 3, 3, size=9, seed=0), 4).clone()
    shifts[:, -1, -1] += 1  # frames that no window before it has: they do not count
    assert share_unchanged(shifts) == 1.0
    shifts[:, -1, 0] += 1  # one of the six latent frames that neighbours share
    assert share_unchanged(shifts) == pytest.approx(5 / 6)


@pytest.mark.parametrize("shape, said", [((2, 2, 1), "2 latent frames"), ((2, 1, 4), "1 of each window")])
def test_share_needs_two_latent_frames_and_two_shifts(shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        share_unchanged(random_codes(*shape, 3, 3, size=9, seed=0))


def probe(train: Tensor, test: Tensor, size: int, windows_of_a_video: int = 1) -> Probe:
    return place_probe(train, test, size, torch.arange(len(test)) // windows_of_a_video)


def test_probe_is_at_chance_when_codes_do_not_know_their_place() -> None:
    train, test = random_codes(256, 4, 4, 4, size=32, seed=0), random_codes(512, 4, 4, 4, size=32, seed=1)
    # 2,048 guesses at 1/4: standard deviation .0096
    assert probe(train, test, 32).accuracy == pytest.approx(0.25, abs=0.04)


def test_probe_finds_the_place_when_codes_carry_it() -> None:
    assert probe(marked(64, seed=0), marked(64, seed=1), 32) == Probe(1.0, 0.0)


def test_probe_sees_a_mark_on_the_edges_only() -> None:
    def edges_marked(seed: int) -> Tensor:
        codes = random_codes(200, 4, 3, 3, size=16, seed=seed)
        codes[:, 0], codes[:, -1] = 16, 17
        return codes

    # the two edges always, one of the two inner places by chance
    assert probe(edges_marked(0), edges_marked(1), 18).accuracy == pytest.approx(0.75, abs=0.05)


def test_probe_meets_codes_it_has_never_seen() -> None:
    unseen = torch.full((10, 4, 3, 3), 31)
    assert probe(marked(32, seed=0).clamp(max=30), unseen, 32).accuracy == 0.25


def test_probe_does_not_depend_on_gradient_mode() -> None:
    train, test = random_codes(40, 4, 3, 3, size=8, seed=0), random_codes(40, 4, 3, 3, size=8, seed=1)
    expected = probe(train, test, 8)
    with torch.no_grad():
        assert probe(train, test, 8) == expected
    with torch.inference_mode():
        assert probe(train.clone(), test.clone(), 8) == expected


def test_a_probe_is_as_sure_as_its_videos_are_many_not_its_windows() -> None:
    train = marked(64, seed=0)
    right, wrong = marked(3, seed=1), marked(3, seed=2).flip(1)  # accuracies 1 and 0
    expected = math.sqrt(sum((a - 0.5) ** 2 for a in (1, 1, 1, 0, 0, 0)) / 5 / 6)
    once = probe(train, torch.cat([right, wrong]), 32)
    assert once.accuracy == 0.5 and once.standard_error == pytest.approx(expected)
    # Every window twice says no more.
    assert probe(train, torch.cat([right, wrong]).repeat_interleave(2, dim=0), 32, windows_of_a_video=2) == once
    assert math.isnan(probe(train, right, 32, windows_of_a_video=3).standard_error)


def test_probe_converges_fast_at_the_size_it_is_used_at() -> None:
    # a few codes make up most of the video, others are rare: what makes the fit slow
    uneven = 128 * torch.rand(512, 4, 4, 4, generator=torch.Generator().manual_seed(0)) ** 6
    uneven[:, 0] *= 0.9
    counts, places = _counts(uneven.long(), 128), _places(uneven.long())
    _fit_logistic_regression(counts[:8], places[:8], 4)  # the first use of an optimizer imports a good deal of torch
    start = time.process_time()
    weight, bias = _fit_logistic_regression(counts, places, 4)
    assert time.process_time() - start < 2.0
    weight.requires_grad_(True)
    bias.requires_grad_(True)
    loss = cross_entropy(counts @ weight + bias, places) + weight.square().sum() / (2 * counts.shape[0])
    for gradient in torch.autograd.grad(loss, (weight, bias)):
        assert gradient.abs().max() < 1e-5


def test_gap_is_positive_when_codes_carry_their_place() -> None:
    native = marked(20, seed=0)
    gap = shift_nll_gap(PlaceModel(), torch.zeros(20, 1, dtype=torch.int64), native, marked(20, seed=1))
    # what stands at slot i was encoded at i + 1, where the model expects another quarter: 2 nats each
    assert gap.tolist() == pytest.approx([2.0, 2.0, 2.0], rel=1e-5)


def test_gap_is_zero_when_codes_are_blind_to_the_window() -> None:
    codes, shifted = windows_of_streams(random_codes(20, 5, 3, 3, size=32, seed=0), 4)
    gap = shift_nll_gap(PlaceModel(), torch.zeros(20, 1, dtype=torch.int64), codes, shifted)
    assert gap.abs().max() == 0.0


def test_gap_compares_the_same_frames_with_their_own_context() -> None:
    """A stream that repeats itself is expected as soon as its own past stands before it, in both encodings alike."""
    frame = random_codes(7, 1, 3, 3, size=16, seed=0)
    native, moved = frame.expand(-1, 4, -1, -1), frame.expand(-1, 4, -1, -1) + 16
    gap = shift_nll_gap(ContextModel(), torch.zeros(7, 1, dtype=torch.int64), moved, native)
    assert gap[1:].abs().max() < 1e-6
    start = native[:, 0] == 0
    assert float(gap[0]) == pytest.approx(4.0 * float(start.double().mean()), abs=1e-5)


def test_gap_does_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    native, moved = marked(20, seed=0), random_codes(20, 4, 3, 3, size=32, seed=1)
    condition = random_codes(20, 1, size=3, seed=2)
    whole = shift_nll_gap(ContextModel(), condition, moved, native)
    monkeypatch.setattr("tats_exp.metrics.time_agnosticity._BATCH", 3)
    assert torch.allclose(shift_nll_gap(ContextModel(), condition, moved, native), whole, atol=1e-6)


@pytest.mark.parametrize("context", [1, 2, 3])
def test_a_sliding_window_costs_nothing_when_codes_are_blind_to_it(context: int) -> None:
    shifts = shifts_of_streams(random_codes(20, 7, 3, 3, size=32, seed=0), 4)
    assert sliding_gap(ContextModel(), torch.zeros(20, 1, dtype=torch.int64), shifts, context) == 0.0


class MeanModel:
    """Expects a code above 16 as much as half the codes before it are; one condition code, 32 video codes."""

    condition_codes = 1

    def logits(self, condition: Tensor, codes: Tensor) -> Tensor:
        before = (codes >= 16).double().cumsum(1) - (codes >= 16).double()
        share = before / torch.arange(codes.shape[1]).clamp(min=1)
        return share[..., None] * (torch.arange(33) > 16)


@pytest.mark.parametrize("context", [1, 2, 3])
def test_a_sliding_window_meets_its_context_as_the_drawn_slot_has_it(context: int) -> None:
    """Codes of slot `context` lie above 16, all others below: a slid context looks like what is drawn there."""
    shifts = random_codes(5, 4, 4, 3, 3, size=16, seed=0)
    shifts[:, :, context] += 16
    gap = sliding_gap(MeanModel(), torch.zeros(5, 1, dtype=torch.int64), shifts, context)
    # Code k of the slot follows 9 c + k codes: behind a slid context all lie above, behind a native one k do.
    shares = [[(9 * context + k) / (9 * context + k), k / (9 * context + k)] for k in range(9)]
    nll = torch.tensor([[math.log(17 + 16 * math.exp(share)) - share for share in pair] for pair in shares])
    assert gap == pytest.approx(float((nll[:, 0] - nll[:, 1]).mean()), abs=1e-5)


def test_the_slid_context_is_of_the_same_latent_frames() -> None:
    """The context is that of the stream, each from the window in which it stands at slot `context`."""
    stream = torch.arange(7)[None, :, None, None].expand(2, -1, 3, 3)
    shifts = shifts_of_streams(stream, 4) + 8 * torch.arange(4)[:, None, None]  # latent frame + 8 x slot
    seen: list[Tensor] = []

    class Watched(ContextModel):
        def logits(self, condition: Tensor, codes: Tensor) -> Tensor:
            seen.append(codes[0, ::9])
            return super().logits(condition, codes)

    sliding_gap(Watched(), torch.zeros(2, 1, dtype=torch.int64), shifts, 2)
    slid, native = (codes.tolist() for codes in seen)
    assert slid == [2 + 16, 3 + 16, 4 + 16] and native == [2 + 0, 3 + 8, 4 + 16]


@pytest.mark.parametrize("context", [0, 3, 4])
def test_a_context_that_the_windows_do_not_hold_is_refused(context: int) -> None:
    with pytest.raises(ValueError, match=r"allowed: 1\.\.2"):
        sliding_gap(
            PlaceModel(), torch.zeros(2, 1, dtype=torch.int64), random_codes(2, 3, 4, 3, 3, size=9, seed=0), context
        )
