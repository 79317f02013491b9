"""Decoding piece by piece equals decoding the whole, for every padding, length and chunk."""

import pytest
import torch

from tats_exp.data.pixels import to_uint8
from tats_exp.sampling import decode_chunks, decode_stream, decode_videos, decoding
from tats_exp.vqgan import VQGAN, EMACodebook, TimePadding
from tats_exp.vqgan.padding import Loop, Real, Replicate
from tests.vqgan.models import PADDINGS


def model(padding: TimePadding, norm: str = "batch", downsample=(4, 4, 4), blocks: int = 1) -> VQGAN:
    torch.manual_seed(0)
    vqgan = VQGAN(EMACodebook(16, 6), 4, downsample, blocks, norm, encoder_padding=padding, decoder_padding=padding)
    vqgan.codebook.embeddings.normal_()
    for module in vqgan.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return vqgan.eval()


def draw(latent_frames: int, batch: int = 2) -> torch.Tensor:
    return torch.randint(16, (batch, latent_frames, 2, 2), generator=torch.Generator().manual_seed(latent_frames))


@torch.no_grad()
def whole(vqgan: VQGAN, codes: torch.Tensor) -> torch.Tensor:
    """The video in one pass; a decoder that wants true neighbours gets the end latents repeated."""
    before, after = codes[:, :1], codes[:, -1:]
    margin = (1, vqgan.code_margin, 1, 1)
    return vqgan.decode(torch.cat([before.repeat(margin), codes, after.repeat(margin)], dim=1))


@pytest.mark.parametrize("padding", PADDINGS, ids=repr)
@pytest.mark.parametrize("latent_frames, chunk", [(1, 4), (3, 1), (21, 4), (16, 8), (23, 16)])
def test_streamed_equals_whole(padding, latent_frames, chunk):
    vqgan, codes = model(padding), draw(latent_frames)
    pieces = list(decode_chunks(vqgan, codes, chunk))
    assert [p.shape[2] for p in pieces[:-1]] == [4 * chunk] * (len(pieces) - 1)
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole(vqgan, codes), atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", ["group", "frame_group"])
@pytest.mark.parametrize("downsample, blocks", [((4, 4, 4), 2), ((2, 4, 4), 1)])
def test_streamed_equals_whole_for_other_norms_and_sizes(norm, downsample, blocks):
    vqgan, codes = model(Replicate(), norm, downsample, blocks), draw(13, batch=1)
    pieces = list(decode_chunks(vqgan, codes, chunk=3))
    assert len(pieces) == (1 if norm == "group" else 5)
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole(vqgan, codes), atol=1e-5, rtol=0)


@pytest.mark.parametrize("padding", [Replicate(), Loop()], ids=repr)
def test_one_latent_frame_less_of_overlap_would_show(padding, monkeypatch):
    vqgan, codes = model(padding), draw(21)
    reach = decoding._reach(vqgan)
    monkeypatch.setattr(decoding, "_reach", lambda _: reach - 1)
    streamed = torch.cat(list(decode_chunks(vqgan, codes, 4)), dim=2)
    assert (streamed - whole(vqgan, codes)).abs().max() > 1e-5


def test_true_margins_are_used_and_dropped():
    vqgan, codes = model(Real()), draw(15)
    margin = vqgan.code_margin
    streamed = torch.cat(list(decode_chunks(vqgan, codes, 4, has_margin=True)), dim=2)
    with torch.no_grad():
        torch.testing.assert_close(streamed, vqgan.decode(codes), atol=1e-5, rtol=0)
    inner = codes[:, margin:-margin]
    assert streamed.shape[2] == 4 * inner.shape[1]
    assert (streamed - whole(vqgan, inner)).abs().max() > 1e-3


def test_a_margin_of_nothing_changes_nothing():
    vqgan, codes = model(Replicate()), draw(9)
    for one, other in zip(decode_chunks(vqgan, codes, 4), decode_chunks(vqgan, codes, 4, has_margin=True), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("padding", PADDINGS, ids=repr)
def test_what_is_decoded_at_once_does_not_grow_with_length(padding, monkeypatch):
    vqgan = model(padding)
    decode, sizes = vqgan.decode, []
    monkeypatch.setattr(vqgan, "decode", lambda codes: sizes.append(codes.shape[1]) or decode(codes))
    for _ in decode_stream(vqgan, draw(64, batch=1)[0], chunk=4):
        pass
    assert len(sizes) == 16
    assert max(sizes) <= 4 + 2 * decoding._reach(vqgan)


def test_pixels_are_the_rounded_floats():
    vqgan, codes = model(Replicate()), draw(6)
    floats = to_uint8(whole(vqgan, codes)).int()
    together = torch.cat(list(decode_videos(vqgan, codes, 4)), dim=1)
    apart = torch.cat(list(decode_stream(vqgan, codes[1], 4)), dim=0)
    assert together.dtype == torch.uint8
    assert together.float().std() > 1
    assert (
        together.int() - floats
    ).abs().max() <= 1  # A float next to the border between two levels may round either way.
    assert (together.int() - floats).float().abs().mean() < 1e-3
    assert (apart.int() - floats[1]).abs().max() <= 1


def test_what_cannot_be_decoded_is_refused_before_the_first_frame():
    vqgan = model(Real())
    with pytest.raises(ValueError, match="chunk=0 must be at least 1"):
        decode_stream(vqgan, draw(4)[0], chunk=0)
    with pytest.raises(ValueError, match=f"more than {2 * vqgan.code_margin} are needed"):
        decode_videos(vqgan, draw(2 * vqgan.code_margin), has_margin=True)
    with pytest.raises(ValueError, match="training mode"):
        decode_stream(vqgan.train(), draw(4)[0])


@pytest.mark.parametrize("norm", ["batch", "group", "frame_group"])
def test_a_cpu_decodes_a_few_videos_at_a_time(norm, monkeypatch):
    vqgan, codes = model(Replicate(), norm), draw(20, batch=17)  # 8 x 8 pixels a frame
    decode, sizes = vqgan.decode, []
    monkeypatch.setattr(vqgan, "decode", lambda codes: sizes.append(len(codes)) or decode(codes))
    together = torch.cat(list(decode_chunks(vqgan, codes, 32)), dim=2)
    assert sizes == [17]
    monkeypatch.setattr(decoding, "PIXELS_AT_ONCE", 5 * 20 * 4 * 64)
    few = torch.cat(list(decode_chunks(vqgan, codes, 32)), dim=2)
    assert sizes == [17, 5, 5, 5, 2]
    torch.testing.assert_close(few, together, atol=1e-5, rtol=0)
    assert (to_uint8(few) != to_uint8(together)).float().mean() < 1e-3
    sizes.clear()
    monkeypatch.setattr(decoding, "PIXELS_AT_ONCE", 1)
    assert len(next(decode_chunks(vqgan, codes, 32))) == 17
    assert sizes == [1] * 17
