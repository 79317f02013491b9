"""A condition that moves along: every window is drawn under that of its own time."""

import pytest
import torch

from tats_exp.sampling import Hierarchical, Moving, ShortClip, SlidingWindow
from tests.sampling.test_guidance import CONDITION, transformer
from tests.transformer.test_transformer import small

LABELS, SEEDS = torch.tensor([[0, 1], [2, 0], [1, 1]]), [3, 1, 4]


def at_every_frame(latent_frames: int) -> Moving:
    return Moving(LABELS[:, None].expand(-1, latent_frames, -1))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_one_that_stays_the_same_is_one_that_does_not_move_to_the_bit(guidance: float) -> None:
    model = transformer()
    for sampler, frames in ((SlidingWindow(context=1, guidance=guidance), 7), (ShortClip(guidance=guidance), 2)):
        still = sampler(model, CONDITION, frames, SEEDS)
        assert torch.equal(sampler(model, Moving(CONDITION[:, None].expand(-1, frames, -1)), frames, SEEDS), still)


@pytest.mark.parametrize("latent_frames", [7, 9])
def test_of_a_hierarchy_likewise(latent_frames: int) -> None:
    keys, gaps = small(), small("c", window=(4, 2, 2))
    sampler = Hierarchical(key_every=3)
    moving = sampler(keys, at_every_frame(latent_frames), latent_frames, SEEDS, interpolation=gaps, gaps_at_once=2)
    assert torch.equal(moving, sampler(keys, LABELS, latent_frames, SEEDS, interpolation=gaps))


def watch(monkeypatch: pytest.MonkeyPatch, module: str) -> list[list[int]]:
    """The first condition code of each video, at every call of `sample_codes`."""
    seen: list[list[int]] = []

    def watched(model: object, condition: torch.Tensor, steps: int, **_: object) -> torch.Tensor:
        seen.append(condition[:, 0].tolist())
        return torch.zeros(len(condition), steps, dtype=torch.int64)

    monkeypatch.setattr(f"tats_exp.sampling.{module}.sample_codes", watched)
    return seen


def numbered(latent_frames: int) -> Moving:
    """Codes that say which video, in hundreds, and which latent frame a window begins with."""
    places = 100 * torch.arange(3)[:, None] + torch.arange(latent_frames)
    return Moving(places[..., None].expand(-1, -1, 2))


@pytest.mark.parametrize(
    ("context", "stride", "given", "begin"),
    [(2, 1, 0, [0, 2, 3, 4, 5, 6]), (1, 2, 0, [0, 3, 5, 7]), (3, 1, 6, [3, 4, 5])],
)
def test_a_window_that_slides_has_that_of_its_first_latent_frame(
    context: int, stride: int, given: int, begin: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watch(monkeypatch, "sliding_window")
    known = torch.zeros(3, given, 2, 2, dtype=torch.int64) if given else None
    SlidingWindow(context=context, stride=stride)(small(), numbered(9), 9, SEEDS, given=known)
    assert seen == [[first, 100 + first, 200 + first] for first in begin]


def test_of_a_hierarchy_key_frames_and_gaps_have_that_of_their_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    of_keys, of_gaps = watch(monkeypatch, "sliding_window"), watch(monkeypatch, "hierarchical")
    Hierarchical(key_every=3, context=1)(
        small(), numbered(18), 18, SEEDS, interpolation=small("c", window=(4, 2, 2)), gaps_at_once=4
    )
    assert [row[0] for row in of_keys] == [0, 9, 12, 15]  # of 0, 3, 6, 9; then one is kept
    assert [code for row in of_gaps for code in row] == [
        100 * video + first for video in range(3) for first in range(0, 18, 3)
    ]
