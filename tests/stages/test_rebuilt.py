"""Rebuilt windows: long real videos whose codes are joined, and which pieces of video these are."""

import pytest
import torch

from tats_exp.data.pixels import to_float, to_uint8
from tats_exp.data.shapes import Shapes, ShapesVideos
from tats_exp.data.windows import Window
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.rebuilt import long_windows
from tats_exp.stages.reconstructions import Reconstructor
from tats_exp.vqgan.padding import Real, Replicate, TimePadding, Zero
from tests.vqgan.models import small_vqgan

FRAMES = 16


def videos(frames: int, count: int = 3) -> ShapesVideos:
    return Shapes(count, 1, frames, 8, 0).split("train")


def joined(padding: TimePadding, world: ShapesVideos, places: list[Window], count: int, size: int) -> torch.Tensor:
    vqgan = small_vqgan(padding, padding)
    reconstruct = Reconstructor(FrameDecoder(vqgan, 3, torch.device("cpu")), FRAMES, size)
    batches = reconstruct.joined(world, places, count, lambda done: None)
    return torch.cat([torch.cat(list(batch), dim=1) for batch in batches])


@pytest.mark.parametrize("padding", [Zero(), Replicate()], ids=repr)
def test_every_window_is_encoded_alone_and_all_are_decoded_as_one(padding: TimePadding) -> None:
    world, places, vqgan = videos(80), [Window(0, 5), Window(2, 16), Window(1, 0)], small_vqgan(padding, padding)
    shown = joined(padding, world, places, count=3, size=2)
    assert shown.shape == (3, 3 * FRAMES, 8, 8, 3)
    for one, place in zip(shown, places, strict=True):
        clip = torch.from_numpy(world.read(place.video, place.start, 3 * FRAMES))[None]
        with torch.inference_mode():
            codes = torch.cat([vqgan.encode(to_float(part)) for part in clip.split(FRAMES, dim=1)], dim=1)
            whole = to_uint8(vqgan.decode(codes))[0]
        assert (one.int() - whole.int()).abs().max() <= 1  # rounding of pieces


def test_with_true_neighbours_joined_windows_are_the_video_encoded_whole() -> None:
    """The codes of `real` do not depend on the window: joining changes nothing, but for the two ends of the piece."""
    padding, world = Real(), videos(240, 2)
    vqgan, place = small_vqgan(padding, padding), Window(1, 96)
    shown = joined(padding, world, [place], count=3, size=1)[0]
    inner = vqgan.code_margin * vqgan.time_stride
    frames = world.read(1, place.start - vqgan.margin, 3 * FRAMES + 2 * vqgan.margin)
    with torch.inference_mode():
        codes = vqgan.encode(to_float(torch.from_numpy(frames)[None]))
        whole = to_uint8(vqgan.decode(codes))[0]
    cut = shown[inner : 3 * FRAMES - inner]
    assert len(cut) > 0 and (cut.int() - whole.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("frames", "count", "wanted", "windows"),
    [(256, 8, 8, 16), (256, 8, 9, 8), (100, 4, 4, 6), (40, 4, 4, 2), (31, 4, 4, 0), (256, 1, 64, 0)],
)
def test_pieces_are_as_long_as_so_many_of_them_can_be(frames: int, count: int, wanted: int, windows: int) -> None:
    drawn, long = long_windows(videos(frames, count), wanted, FRAMES, 16, seed=0)
    assert long == windows and len(drawn) == (wanted if windows else 0)
    assert all(place.start + long * FRAMES <= frames for place in drawn)


def test_pieces_are_no_longer_than_the_samples() -> None:
    assert long_windows(videos(256), 3, FRAMES, 4, seed=0)[1] == 4
    assert long_windows(videos(256), 3, FRAMES, 1, seed=0) == ([], 0)
