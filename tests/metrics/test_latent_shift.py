"""The relative latent shift: 0 where the slot does not matter, 1 where nothing else does, whatever the scale."""

import pytest
import torch
from torch import Tensor

from tats_exp.metrics import LatentShift


def latents(seed: int, windows: int = 40, frames: int = 4) -> Tensor:
    """Channels of unlike means and spreads."""
    random = torch.Generator().manual_seed(seed)
    spread, mean = torch.tensor([0.1, 1.0, 3.0]), torch.tensor([5.0, -2.0, 0.0])
    noise = torch.randn(windows, 3, frames, 6, 6, generator=random)
    return noise * spread[:, None, None, None] + mean[:, None, None, None]


def shift(*pairs: tuple[Tensor, Tensor]) -> Tensor:
    found = LatentShift()
    for pair in pairs:
        found.add(*pair)
    return found.values()


def moved(earlier: Tensor, other: Tensor) -> Tensor:
    """Windows one latent frame later of the same latents; `other` ends them."""
    return torch.cat([earlier[:, :, 1:], other[:, :, -1:]], dim=2)


def test_latents_blind_to_the_slot_do_not_move() -> None:
    earlier = latents(0)
    assert shift((earlier, moved(earlier, latents(1)))).tolist() == [0, 0, 0]


def test_latents_that_know_nothing_of_their_frames_move_by_their_variances() -> None:
    assert shift((latents(0), latents(1))).tolist() == pytest.approx([1, 1, 1], abs=0.1)


def test_a_mean_of_each_slot_counts_as_a_move() -> None:
    earlier, later = latents(0), moved(latents(0), latents(1))
    later[:, 1, 0] += 2.0  # what slot 0 adds to a channel: 4 over two sums of variances, .01 + 1 + 9 each
    assert shift((earlier, later)).tolist() == pytest.approx([4 / 20.02, 0, 0], abs=0.01)


@pytest.mark.parametrize("scale, offset", [(1e-3, 0.0), (100.0, 0.0), (1.0, 50.0)])
def test_neither_scale_nor_offset_matter(scale: float, offset: float) -> None:
    earlier, later = latents(0).double(), latents(0).double() + 0.3 * latents(1).double()
    later = moved(later, earlier)
    changed = [scale * side + offset for side in (earlier, later)]
    assert torch.allclose(shift((changed[0], changed[1])), shift((earlier, later)), rtol=1e-9)


def test_batches_are_one_sum() -> None:
    earlier, later = latents(0), latents(1)
    parts = zip(earlier.split(7), later.split(7), strict=True)
    assert torch.allclose(shift(*parts), shift((earlier, later)), rtol=1e-12)


def test_slots_are_told_apart_and_nothing_is_no_number() -> None:
    earlier = latents(0)
    later = moved(earlier, latents(1))
    later[:, :, 1] = latents(2)[:, :, 1]
    found = shift((earlier, later))
    assert found[[0, 2]].tolist() == [0, 0] and found[1] > 0.9
    assert shift().tolist() == [] and shift((torch.ones(2, 3, 2, 1, 1),) * 2).isnan().all()


def test_windows_that_share_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="equal ones of 2 latent frames or more"):
        shift((latents(0, frames=1), latents(1, frames=1)))
