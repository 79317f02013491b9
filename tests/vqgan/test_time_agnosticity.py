"""What each padding promises about time: who sees the place of a frame, and who does not."""

import pytest
import torch

from tats_exp.vqgan import VQGAN, TimePadding
from tats_exp.vqgan.padding import Alpha, Loop, Real, Replicate, Zero
from tats_exp.vqgan.receptive_field import encoder_margin
from tests.vqgan.models import ENDS_GUESSED, noise_video, small_vqgan

CLOSE = {"rtol": 0, "atol": 1e-5}
SHAPES = [((4, 4, 4), 2), ((2, 4, 4), 1), ((4, 2, 2), 1), ((4, 8, 8), 1)]


@pytest.mark.parametrize("padding", ENDS_GUESSED, ids=repr)
@torch.no_grad()
def test_codes_move_with_the_video_inside_and_not_at_the_edge(padding: TimePadding) -> None:
    vqgan = small_vqgan(padding, padding)
    s = vqgan.time_stride
    margin = encoder_margin(vqgan.downsample)
    video = noise_video(2 * margin + 4 * s)
    early, late = vqgan.latents(video[:, :, :-s])[:, :, 1:], vqgan.latents(video[:, :, s:])[:, :, :-1]
    edge = margin // s
    torch.testing.assert_close(early[:, :, edge:-edge], late[:, :, edge:-edge], **CLOSE)
    assert (early[:, :, -1] - late[:, :, -1]).abs().max() > 1e-3, "noise has no edge that padding could guess"


@pytest.mark.parametrize("padding", ENDS_GUESSED, ids=repr)
@torch.no_grad()
def test_only_zeros_in_time_show_the_place_of_a_frame_in_a_still_video(padding: TimePadding) -> None:
    vqgan = small_vqgan(padding, padding)
    moves = change(vqgan.latents(noise_video(1).expand(-1, -1, 32, -1, -1)))
    assert moves > 1e-3 if isinstance(padding, Zero | Alpha) else moves < 1e-5


def change(x: torch.Tensor, period: int = 1) -> float:
    """Largest change from a frame to the one a period later."""
    return (x[:, :, period:] - x[:, :, :-period]).abs().max().item()


@pytest.mark.parametrize("padding", [Real(), Loop(), Replicate(), Alpha(0.5), Zero()], ids=repr)
@torch.no_grad()
def test_still_latents_decode_alike_everywhere_only_with_frames_beyond_the_ends(padding: TimePadding) -> None:
    # Up-sampling makes every s-th frame alike, no more, so repeating the last frame of a level does not continue it.
    vqgan = small_vqgan(padding, padding)
    still = torch.randn(1, 4, 1, 2, 2, generator=torch.Generator().manual_seed(5)).expand(-1, -1, 12, -1, -1)
    moves = change(vqgan.decode_latents(still), vqgan.time_stride)
    assert moves < 1e-5 if isinstance(padding, Real | Loop) else moves > 1e-3


@torch.no_grad()
def test_halves_are_padded_apart() -> None:
    # The same weights in all of them: a half must equal that of the model which has its padding on both sides.
    video, codes = noise_video(16), torch.arange(16).view(1, 4, 2, 2)
    mixed, zero, loop = (small_vqgan(*halves) for halves in ((Zero(), Loop()), (Zero(), Zero()), (Loop(), Loop())))
    torch.testing.assert_close(mixed.latents(video), zero.latents(video), **CLOSE)
    torch.testing.assert_close(mixed.decode(codes), loop.decode(codes), **CLOSE)
    assert (zero.latents(video) - loop.latents(video)).abs().max() > 1e-3
    assert (zero.decode(codes) - loop.decode(codes)).abs().max() > 1e-3


@torch.no_grad()
def test_loop_is_blind_to_where_the_cycle_is_cut() -> None:
    vqgan = small_vqgan(Loop(), Loop())
    video = noise_video(24)
    latents = vqgan.latents(video)
    torch.testing.assert_close(vqgan.latents(video.roll(8, 2)), latents.roll(2, 2), **CLOSE)
    torch.testing.assert_close(
        vqgan.decode_latents(latents.roll(2, 2)), vqgan.decode_latents(latents).roll(8, 2), **CLOSE
    )


def windows(length: int, margin: int, wanted: int, step: int) -> list[tuple[int, int]]:
    """(start of the window proper, without margin; its end) of every window that fits."""
    return [(start, start + wanted) for start in range(margin, length - margin - wanted + 1, step)]


def spread_codebook(vqgan: VQGAN, video: torch.Tensor) -> None:
    """Put the entries among the latents of the video, so that many codes are used."""
    rows = vqgan.latents(video).movedim(1, -1).flatten(0, 3)
    chosen = torch.randint(len(rows), (32,), generator=torch.Generator().manual_seed(4))
    vqgan.codebook.embeddings.copy_(rows[chosen] + 0.1 * rows.std() * torch.randn(32, 4))


@pytest.mark.parametrize("norm", ["batch", "frame_group"])
@pytest.mark.parametrize("downsample,blocks", SHAPES)
@torch.no_grad()
def test_real_gives_every_window_the_codes_of_the_whole_video(downsample, blocks: int, norm: str) -> None:
    vqgan = small_vqgan(Real(), Real(), downsample, norm, blocks)
    s, m = vqgan.time_stride, vqgan.margin
    video = noise_video(2 * m + 5 * s, size=2 * downsample[1])
    spread_codebook(vqgan, video)
    whole = vqgan.encode(video)
    assert whole.unique().numel() >= 4
    for start, end in windows(video.shape[2], m, 2 * s, s):
        codes = vqgan.encode(video[:, :, start - m : end + m])
        assert torch.equal(codes, whole[:, (start - m) // s : (end - m) // s])


@pytest.mark.parametrize("norm", ["batch", "frame_group"])
@pytest.mark.parametrize("downsample,blocks", SHAPES)
@torch.no_grad()
def test_real_decodes_every_window_as_within_the_whole(downsample, blocks: int, norm: str) -> None:
    vqgan = small_vqgan(Real(), Real(), downsample, norm, blocks)
    s, m = vqgan.time_stride, vqgan.code_margin
    codes = torch.randint(32, (1, 2 * m + 5, 2, 2), generator=torch.Generator().manual_seed(2))
    whole = vqgan.decode(codes)
    for start, end in windows(codes.shape[1], m, 2, 1):
        video = vqgan.decode(codes[:, start - m : end + m])
        torch.testing.assert_close(video, whole[:, :, (start - m) * s : (end - m) * s], **CLOSE)


@torch.no_grad()
def test_real_equals_other_paddings_far_from_the_ends() -> None:
    # The weights are the same for every padding, so the inside of a long clip must be too: no frame is shifted.
    real, zero = small_vqgan(Real(), Real()), small_vqgan(Zero(), Zero())
    video = noise_video(2 * real.margin + 8)
    edge = real.margin // 4
    torch.testing.assert_close(real.latents(video), zero.latents(video)[:, :, edge:-edge], **CLOSE)
    codes = torch.randint(32, (1, 2 * real.code_margin + 2, 2, 2), generator=torch.Generator().manual_seed(2))
    edge = 4 * real.code_margin
    torch.testing.assert_close(real.decode(codes), zero.decode(codes)[:, :, edge:-edge], **CLOSE)


@pytest.mark.parametrize("norm,leaks", [("group", True), ("frame_group", False), ("batch", False)])
@torch.no_grad()
def test_only_group_norm_carries_a_frame_beyond_the_receptive_field(norm: str, leaks: bool) -> None:
    vqgan = small_vqgan(norm=norm)
    video = noise_video(32)
    changed = video.clone()
    changed[:, :, -1] = 0.5
    first = [vqgan.latents(v)[:, :, 0] for v in (video, changed)]
    assert ((first[0] - first[1]).abs().max() > 1e-6) == leaks


@pytest.mark.parametrize("halves", [(Real(), Zero()), (Zero(), Real()), (Real(), Real())])
def test_group_norm_with_real_is_refused(halves: tuple[TimePadding, TimePadding]) -> None:
    with pytest.raises(ValueError, match=r"norm=group.*Real"):
        small_vqgan(*halves, norm="group")


def test_batch_norm_trains_on_true_frames_alone() -> None:
    # In `real`, a training clip cut from a still video must look still to every layer: no padded frame in between.
    vqgan: VQGAN = small_vqgan(Real(), Real()).train()
    video = noise_video(1, batch=2).expand(-1, -1, 8 + 2 * vqgan.training_margin, -1, -1)
    reconstruction = vqgan(video).video
    assert change(reconstruction, vqgan.time_stride) < 1e-5
