from collections.abc import Callable

import pytest
import scipy.ndimage
import torch
from torch import Tensor

from tats_exp.data.shapes import Shapes
from tats_exp.metrics.distortions import add_noise, blur, freeze_frames, push, recolour, reverse_time, shuffle_frames

Distort = Callable[[Tensor, float, int], Tensor]


def blur_seeded(video: Tensor, level: float, seed: int) -> Tensor:
    return blur(video, level)


def push_seeded(video: Tensor, level: float, seed: int) -> Tensor:
    return push(video, level)


def recolour_seeded(video: Tensor, level: float, seed: int) -> Tensor:
    return recolour(video, level, video[:1] // 2)


ALL: list[Distort] = [add_noise, blur_seeded, shuffle_frames, freeze_frames, push_seeded, recolour_seeded]
DRAWN: list[Distort] = [add_noise, shuffle_frames, freeze_frames]


def clips(count: int = 3, frames: int = 16) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, frames, 12, 9, 3), generator=random, dtype=torch.uint8)


def numbered(count: int, frames: int = 16) -> Tensor:
    """Clips whose frame t is t all over."""
    return torch.arange(frames, dtype=torch.uint8)[None, :, None, None, None].repeat(count, 1, 2, 2, 3)


def order(video: Tensor) -> Tensor:
    return video[:, :, 0, 0, 0].long()


@pytest.mark.parametrize("distort", ALL)
def test_level_0_is_the_identity_and_1_is_not(distort: Distort) -> None:
    video = clips()
    before = video.clone()
    assert torch.equal(distort(video, 0.0, 0), video)
    assert not torch.equal(distort(video, 1.0, 0), video)
    assert torch.equal(video, before)


@pytest.mark.parametrize("distort", DRAWN)
def test_the_seed_alone_decides(distort: Distort) -> None:
    video = clips()
    first = distort(video, 0.5, 3)
    torch.manual_seed(1)
    assert torch.equal(distort(video, 0.5, 3), first)
    assert not torch.equal(distort(video, 0.5, 4), first)


@pytest.mark.parametrize("distort", ALL)
@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_levels_outside_are_refused(distort: Distort, level: float) -> None:
    with pytest.raises(ValueError, match="allowed: 0 to 1"):
        distort(clips(), level, 0)


def test_noise_has_the_deviation_it_says_and_grows_in_one_direction() -> None:
    grey = torch.full((2, 16, 32, 32, 3), 128, dtype=torch.uint8)
    faint, strong = (add_noise(grey, level, seed=0).float() - 128 for level in (0.05, 0.1))
    assert float(faint.std()) == pytest.approx(0.05 * 255, rel=0.02)
    assert float(strong.std()) == pytest.approx(0.1 * 255, rel=0.02)
    assert (strong - 2 * faint).abs().max() <= 1.5  # one draw, scaled; rounded
    frames = faint.flatten(2)[0]
    assert abs(float((frames[0] * frames[1]).mean())) < 0.1 * float(frames.var())  # anew in every frame


def test_noise_does_not_wrap_around() -> None:
    black = torch.zeros(1, 4, 8, 8, 3, dtype=torch.uint8)
    assert int(add_noise(black, 0.02, seed=0).max()) < 128


def test_blur_is_the_gaussian_filter_of_every_frame_and_colour() -> None:
    video = clips(2, 3)
    expected = scipy.ndimage.gaussian_filter(
        video.double().numpy(), sigma=(0, 0, 0.15 * 9, 0.15 * 9, 0), mode="nearest", truncate=5 / (0.15 * 9)
    )
    difference = blur(video, 0.15).double() - torch.from_numpy(expected)
    assert difference.abs().max() < 1.0


def test_blur_leaves_one_colour_alone_and_calms_everything_else() -> None:
    flat = torch.full((1, 2, 8, 8, 3), 77, dtype=torch.uint8)
    assert torch.equal(blur(flat, 0.3), flat)
    spread = [float(blur(clips(), level).float().std()) for level in (0.0, 0.05, 0.1, 0.2, 0.4)]
    assert spread == sorted(spread, reverse=True) and spread[-1] < 0.2 * spread[0]


@pytest.mark.parametrize(("level", "block"), [(0.25, 4), (0.5, 8), (1.0, 16)])
def test_shuffle_keeps_every_frame_inside_its_block(level: float, block: int) -> None:
    shuffled = order(shuffle_frames(numbered(50), level, seed=0))
    assert torch.equal(shuffled.sort(dim=1).values, order(numbered(50)))
    assert torch.equal(shuffled // block, order(numbered(50)) // block)
    # every place of a block is reached from every other one
    assert len(set(shuffled[:, 0].tolist())) == block
    assert len({tuple(one) for one in shuffled.tolist()}) > 10  # an order for every clip


@pytest.mark.parametrize("level", [0.2, 0.4, 0.8, 1.0])
def test_frozen_frames_show_the_last_one_that_was_not(level: float) -> None:
    shown = order(freeze_frames(numbered(20), level, seed=0))
    own = shown == torch.arange(16)
    assert bool(own[:, 0].all())
    assert (~own).sum(dim=1).tolist() == [round(15 * level)] * 20
    before = torch.cat([shown[:, :1], shown[:, :-1]], dim=1)
    assert torch.equal(shown, torch.where(own, torch.arange(16), before))


def test_frames_that_freeze_first_stay_frozen() -> None:
    few, more = (order(freeze_frames(numbered(9), level, seed=2)) == torch.arange(16) for level in (0.3, 0.7))
    assert bool((few | ~more).all())


def test_reversal_undoes_itself() -> None:
    video = clips()
    assert torch.equal(reverse_time(video)[:, 0], video[:, -1])
    assert torch.equal(reverse_time(reverse_time(video)), video)


def worlds(grounds: str, label: int) -> Tensor:
    """Clips of one label, of several scenes."""
    videos = Shapes(64, 1, 16, 32, seed=0, grounds=grounds).split("train")
    return torch.stack([torch.from_numpy(videos.read(video, 0, 16)) for video in range(label, 64, 16)])


@pytest.mark.parametrize("label, other", [(0, 4), (2, 6), (8, 12)])
def test_every_sprite_of_the_plain_world_gets_the_colour_of_the_first_clip(label: int, other: int) -> None:
    first, clips_ = worlds("plain", other)[:1], worlds("plain", label)
    found = recolour(clips_, 1.0, first).float()
    sprite, wanted = found.flatten(0, 3).amax(dim=0), first.float().flatten(0, 3)
    # Clips differ in how much of them their sprites cover: the same hue, a little more or less of it.
    rise, aim = sprite - found.flatten(0, 3).amin(dim=0), wanted.amax(dim=0) - wanted.amin(dim=0)
    assert torch.nn.functional.cosine_similarity(rise, aim, dim=0) > 0.97
    before = clips_.float().flatten(0, 3)
    unlike = before.amax(dim=0) - before.amin(dim=0)
    assert torch.nn.functional.cosine_similarity(unlike, aim, dim=0) < 0.9


@pytest.mark.parametrize("grounds", ["plain", "palettes", "textures"])
def test_recoloured_clips_have_one_mean_and_deviation_and_the_first_is_left_alone(grounds: str) -> None:
    video = torch.cat([worlds(grounds, label) for label in (0, 5)])
    found = recolour(video, 1.0, video[:1]).float()
    wanted = video[:1].float()
    assert torch.equal(found[:1], wanted)
    for of, near in ((torch.mean, 3.0), (torch.std, 6.0)):  # apart from what is cut off at 0 and 255
        apart = (of(found, dim=(1, 2, 3)) - of(wanted, dim=(1, 2, 3))).abs()
        assert apart.max() < near < (of(video.float(), dim=(1, 2, 3)) - of(wanted, dim=(1, 2, 3))).abs().max()


def test_a_channel_that_does_not_vary_is_shifted() -> None:
    still = torch.full((1, 4, 8, 8, 3), 40, dtype=torch.uint8)
    assert (recolour(still, 1.0, still + 30) == 70).all() and (recolour(still, 0.5, still + 30) == 55).all()


def test_pushed_frames_show_what_lay_down_and_right_of_it() -> None:
    video = clips()  # 12 high, 9 wide
    found = push(video, 1 / 3)
    assert torch.equal(found[:, :, :8, :6], video[:, :, 4:, 3:])
    assert torch.equal(found[:, :, 8:, :6], video[:, :, 11:, 3:].expand_as(found[:, :, 8:, :6]))
    assert (push(video, 1.0) == video[:, :, -1:, -1:]).all()
