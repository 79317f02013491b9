"""Finite scalar quantisation: a bijection of codes and entries, bounded as in the paper, at home in the VQGAN."""

import os
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hydra.utils import instantiate
from torch import Tensor

from tats_exp.vqgan.fsq import FSQ
from tats_exp.vqgan.vqgan import VQGAN
from tests.vqgan.models import noise_video

LEVELS = [[2], [3, 5, 4], [8, 6, 5], [7, 5, 5, 5, 5], [2, 2, 2, 2], [8, 5, 5, 5]]


def all_codes(fsq: FSQ) -> Tensor:
    return torch.arange(fsq.size).view(1, -1, 1, 1)


def latents(fsq: FSQ, seed: int = 0, t: int = 6, scale: float = 1.5) -> Tensor:
    return torch.randn(2, fsq.dim, t, 3, 3, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.mark.parametrize("levels", LEVELS)
def test_codes_and_entries_are_in_bijection(levels: list[int]) -> None:
    fsq = FSQ(levels)
    codes = all_codes(fsq)
    entries = fsq.lookup(codes)
    assert torch.equal(fsq.codes_of(entries), codes)
    rows = {tuple(row) for row in entries[0, :, :, 0, 0].T.tolist()}
    grid = product(*([(digit - n // 2) / (n // 2) for digit in range(n)] for n in levels))
    assert rows == {tuple(torch.tensor(point).tolist()) for point in grid}, "every point of the grid, once"


@pytest.mark.parametrize("levels", LEVELS)
def test_quantized_is_the_entry_of_the_code_to_the_last_bit(levels: list[int]) -> None:
    fsq = FSQ(levels)
    x = latents(fsq)
    result = fsq(x)
    assert torch.equal(result.quantized, fsq.lookup(result.codes))
    assert torch.equal(result.codes, fsq.nearest(x))
    assert torch.equal(fsq.codes_of(result.quantized), result.codes)


def test_the_example_of_the_paper() -> None:
    # From the notebook that goes with Mentzer et al. 2023.
    fsq = FSQ([3, 5, 4])
    result = fsq(torch.tensor([0.25, 0.6, -7.0]).view(1, 3, 1, 1, 1))
    assert result.quantized.flatten().tolist() == [0.0, 0.5, -1.0]
    assert result.codes.item() == 10


@pytest.mark.parametrize("level", range(2, 10))
def test_an_axis_takes_exactly_its_levels_in_order(level: int) -> None:
    fsq = FSQ([level])
    sweep = torch.linspace(-20, 20, 4001).view(1, 1, -1, 1, 1)
    codes = fsq.nearest(sweep).flatten()
    assert torch.equal(codes.unique(), torch.arange(level))
    assert (codes.diff() >= 0).all()
    assert fsq.nearest(torch.zeros(1, 1, 1, 1, 1)).item() == level // 2, "0 is the middle, or the one above it"


@pytest.mark.parametrize("level", [4, 5])
def test_no_level_is_starved(level: int) -> None:
    codes = FSQ([level]).nearest(torch.linspace(-2, 2, 4001).view(1, 1, -1, 1, 1))
    shares = codes.flatten().bincount(minlength=level) / codes.numel()
    assert shares.min() > 0.5 / level


@pytest.mark.parametrize("levels", LEVELS)
def test_gradient_passes_the_rounding_and_not_the_bound(levels: list[int]) -> None:
    fsq = FSQ(levels)
    x = latents(fsq).requires_grad_()
    weight = torch.randn_like(x)
    (gradient,) = torch.autograd.grad((fsq(x).quantized * weight).sum(), x)
    level = torch.tensor(levels, dtype=torch.float64).view(-1, 1, 1, 1)
    half_range = (level - 1) * 0.999 / 2
    shift = torch.tan(torch.where(level % 2 == 0, 0.5, 0.0) / half_range)
    slope = half_range / (level // 2) * (1 - torch.tanh(x.detach().double() + shift) ** 2)
    torch.testing.assert_close(gradient, (slope * weight).float(), rtol=1e-4, atol=1e-6)


def test_nothing_is_learned_and_nothing_is_kept() -> None:
    fsq = FSQ([5, 3]).train()
    x = latents(fsq)
    first = fsq(x)
    fsq(latents(fsq, seed=1))
    again = fsq(x)
    assert torch.equal(first.codes, again.codes) and torch.equal(first.codes, fsq.eval()(x).codes)
    assert fsq.state_dict() == {} and list(fsq.parameters()) == []
    assert first.commitment.item() == 0


def test_perplexity_counts_equally_used_codes_of_the_middle() -> None:
    fsq = FSQ([5])
    x = torch.tensor([9.0, -9.0, 0.0, -9.0, 0.0, 9.0]).view(1, 1, 6, 1, 1)
    assert fsq(x).perplexity.item() == pytest.approx(3)
    assert fsq(x, margin=1).perplexity.item() == pytest.approx(2)
    assert fsq(x, margin=1).codes.shape[1] == 6


def test_autocast_does_not_move_a_code() -> None:
    fsq = FSQ([8, 8, 8])
    x = latents(fsq, t=64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fsq(x).codes, FSQ([8, 8, 8]).nearest(x))
        assert fsq(x.bfloat16()).quantized.dtype == torch.float32


def config(levels: list[int]) -> dict:
    codebook = {"_target_": "tats_exp.vqgan.fsq.FSQ", "levels": levels}
    return {"_target_": "tats_exp.vqgan.VQGAN", "n_hiddens": 4, "downsample": [4, 4, 4], "codebook": codebook}


def test_the_config_puts_it_into_the_vqgan() -> None:
    torch.manual_seed(0)
    vqgan: VQGAN = instantiate(config([5, 4, 3]), _convert_="all").train()
    torch.nn.init.normal_(vqgan.pre_vq_conv.conv.weight)  # untrained latents would all be near 0
    assert (vqgan.codebook.size, vqgan.codebook.dim) == (60, 3)
    video = noise_video(8, batch=2)
    result = vqgan(video)
    (result.video - video).abs().mean().backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0 for p in vqgan.encoder.conv_blocks.parameters() if p.dim() > 1
    )
    assert result.codes.min() >= 0 and result.codes.max() < 60 and result.codes.unique().numel() > 4
    vqgan.eval()
    codes = vqgan.encode(video)
    torch.testing.assert_close(vqgan.decode(codes), vqgan(video).video, rtol=0, atol=1e-5)


def test_it_is_built_on_the_meta_device() -> None:
    with torch.device("meta"):
        vqgan: VQGAN = instantiate(config([8, 8, 8]), _convert_="all")
    assert vqgan.codebook.size == 512
    assert vqgan(torch.empty(1, 3, 8, 8, 8, device="meta")).codes.device.type == "meta"


@pytest.mark.parametrize("levels", [[], [1], [5, 0]])
def test_wrong_levels_are_named(levels: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"levels=\[{', '.join(map(str, levels))}\].*at least 2"):
        FSQ(levels)


def _perplexity_of_one_of_two(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    fsq = FSQ([8, 8]).train()
    torch.save(fsq(latents(fsq)[rank : rank + 1]).perplexity, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_count_what_one_counts_in_both_batches(tmp_path: Path) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    mp.spawn(_perplexity_of_one_of_two, args=(str(tmp_path),), nprocs=2)
    fsq = FSQ([8, 8])
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"rank{rank}.pt"), fsq(latents(fsq)).perplexity)
