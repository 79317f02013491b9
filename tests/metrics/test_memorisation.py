import pytest
import torch

from tats_exp.metrics import nearest_distance, nearest_of_repeats


def random_pixels(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 4, 8, 8, 3), generator=generator, dtype=torch.uint8)


def test_a_copy_is_found_and_is_exactly_zero() -> None:
    training, samples = random_pixels(300, seed=0), random_pixels(70, seed=1)
    samples[66] = training[299]
    distances = nearest_distance(samples, training)
    assert float(distances[66]) == 0.0
    assert float(distances[:66].min()) > 50


def test_agrees_with_brute_force() -> None:
    generator = torch.Generator().manual_seed(0)
    samples, training = torch.randn(70, 9, generator=generator), torch.randn(300, 9, generator=generator)
    brute = (samples[:, None] - training[None]).square().mean(-1).sqrt().amin(1)
    assert torch.allclose(nearest_distance(samples, training), brute.double(), atol=1e-6)


def test_unit_is_grey_levels() -> None:
    training = random_pixels(3, seed=0).clamp(max=200)
    assert float(nearest_distance(training[:1] + 7, training)) == pytest.approx(7.0, rel=1e-12)


def test_more_training_items_never_move_it_away() -> None:
    training, samples = random_pixels(40, seed=0), random_pixels(10, seed=1)
    assert bool((nearest_distance(samples, training) <= nearest_distance(samples, training[:5])).all())


def test_wrong_input_is_refused() -> None:
    pixels = random_pixels(3, seed=0)
    with pytest.raises(ValueError, match="training: shape"):
        nearest_distance(pixels, pixels[:0])
    with pytest.raises(ValueError, match="samples: items of"):
        nearest_distance(pixels[:, :2], pixels)


def test_each_repeat_is_held_against_its_own_reference() -> None:
    """A copy of what only another repeat drew is no copy; the mean is over repeats, as of all distances."""
    generator = torch.Generator().manual_seed(0)
    reference, samples = torch.randn(2, 6, 4, generator=generator), torch.randn(2, 3, 4, generator=generator)
    samples[0, 0] = reference[1, 0]
    found = nearest_of_repeats({"sample": samples, "copy": reference[:, :3]}, reference)
    apart = [float(nearest_distance(*pair).mean()) for pair in zip(samples, reference, strict=True)]
    assert found["memorisation/nearest_sample"] == pytest.approx(sum(apart) / 2)
    assert found["memorisation/nearest_copy"] == 0
    pooled = float(nearest_distance(samples.flatten(0, 1), reference.flatten(0, 1)).mean())
    assert pooled < found["memorisation/nearest_sample"]
