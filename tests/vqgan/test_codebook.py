"""The codebook: nearest neighbours by brute force, averages by the formula, and no state outside its buffers."""

import copy
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tats_exp.vqgan import EMACodebook
from tats_exp.vqgan import codebook as codebook_module


def latents(seed: int, t: int = 4, dim: int = 6, batch: int = 2, scale: float = 1.0) -> Tensor:
    return torch.randn(batch, dim, t, 3, 3, generator=torch.Generator().manual_seed(seed)) * scale


def rows_of(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 4, 1).reshape(-1, x.shape[1])


def apart(some: Tensor, others: Tensor) -> Tensor:
    """Distances from differences: `torch.cdist` subtracts squares, and how it rounds hangs on the processor."""
    return (some[:, None] - others[None]).norm(dim=-1)


def trained(steps: int = 3, **kwargs) -> EMACodebook:
    torch.manual_seed(0)
    codebook = EMACodebook(16, 6, **kwargs).train()
    for seed in range(steps):
        codebook(latents(seed))
    return codebook


def test_nearest_is_brute_force_whatever_the_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    codebook = trained()
    x = latents(9)
    distance = (rows_of(x)[:, None] - codebook.embeddings[None]).square().sum(-1)
    for tile in (1, 100, 2**22):
        monkeypatch.setattr(codebook_module, "TILE", tile)
        assert torch.equal(codebook.nearest(x).flatten(), distance.argmin(1))


def test_averages_follow_the_formula_with_a_one_hot_matrix() -> None:
    codebook = trained()
    before = copy.deepcopy(codebook)
    x = latents(9)
    codes = codebook(x).codes
    one_hot = torch.nn.functional.one_hot(codes.flatten(), 16).float()
    counts = 0.99 * before.N + 0.01 * one_hot.sum(0)
    sums = 0.99 * before.z_avg + 0.01 * one_hot.T @ rows_of(x)
    share = (counts + 1e-7) / (counts.sum() + 16e-7)
    torch.testing.assert_close(codebook.N, counts)
    torch.testing.assert_close(codebook.z_avg, sums)
    torch.testing.assert_close(codebook.embeddings, sums / (share * counts.sum())[:, None])


def test_first_batch_initialises_from_its_own_rows() -> None:
    codebook = EMACodebook(16, 6, decay=1.0).train()
    x = latents(0)
    codebook(x)
    nearest_row = (codebook.embeddings[:, None] - rows_of(x)[None]).abs().amax(-1)
    assert nearest_row.amin(1).max() < 1e-5
    assert nearest_row.argmin(1).unique().numel() == 16, "sixteen different rows"


def test_fewer_rows_than_entries_still_give_different_entries() -> None:
    codebook = EMACodebook(16, 6, decay=1.0).train()
    x = latents(0, t=1, batch=1)
    codebook(x)
    pairs = apart(codebook.embeddings, codebook.embeddings) + torch.eye(16)
    assert pairs.min() > 1e-4
    assert apart(codebook.embeddings, rows_of(x)).amin(1).max() < 0.05


def test_eval_mode_changes_nothing() -> None:
    codebook = EMACodebook(16, 6).eval()
    before = copy.deepcopy(codebook.state_dict())
    codebook(latents(0))
    assert all(torch.equal(before[name], value) for name, value in codebook.state_dict().items())


@pytest.mark.parametrize("restart_below", [None, 1.0])
def test_saved_and_resumed_equals_uninterrupted(restart_below: float | None, tmp_path: Path) -> None:
    uninterrupted = trained(3, restart_below=restart_below)
    torch.save(uninterrupted.state_dict(), tmp_path / "codebook.pt")
    torch.manual_seed(123)
    resumed = EMACodebook(16, 6, restart_below=restart_below).train()
    resumed.load_state_dict(torch.load(tmp_path / "codebook.pt"))
    for seed in range(3, 6):
        uninterrupted(latents(seed))
        resumed(latents(seed))
    for name, value in uninterrupted.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_only_the_first_pass_draws_and_another_state_may_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    draw = EMACodebook._draw
    monkeypatch.setattr(EMACodebook, "_draw", lambda self, rows: draws.append(1) or draw(self, rows))
    codebook = EMACodebook(16, 6).train()
    fresh = copy.deepcopy(codebook.state_dict())
    for seed in range(3):
        codebook(latents(seed))
    assert len(draws) == 1
    once = {name: value.clone() for name, value in codebook.state_dict().items()}
    codebook.load_state_dict(fresh)
    for seed in range(3):
        codebook(latents(seed))
    assert len(draws) == 2
    for name, value in codebook.state_dict().items():
        assert torch.equal(value, once[name]), name


def test_draws_depend_on_seed_and_step() -> None:
    x = rows_of(latents(0))
    codebook, other_seed = EMACodebook(16, 6), EMACodebook(16, 6, seed=1)
    first = codebook._draw(x)
    assert torch.equal(first, codebook._draw(x))
    assert not torch.equal(first, other_seed._draw(x))
    codebook.step += 1
    assert not torch.equal(first, codebook._draw(x))


def test_draws_are_fair() -> None:
    x = torch.arange(64.0)[:, None]
    codebook = EMACodebook(8, 1)
    drawn = []
    for _ in range(1000):
        drawn.append(codebook._draw(x))
        codebook.step += 1
    counts = torch.cat(drawn).long().flatten().bincount(minlength=64)
    assert (counts - 125).abs().max() < 5 * 125**0.5


def test_dead_entries_restart_as_rows_and_stay_there() -> None:
    codebook = trained(3)
    codebook.embeddings[3] = 1000.0
    codebook.z_avg[3] = 1000.0 * codebook.N[3]
    codebook.N[3] = 0.05
    codebook.restart_below = 0.1
    x = latents(7)
    codebook(x)
    restarted = codebook.embeddings[3].clone()
    assert apart(restarted[None], rows_of(x)).min() == 0
    assert codebook.N[3] == 1 and torch.equal(codebook.z_avg[3], restarted)
    far = torch.full((1, 6, 1, 3, 3), 50.0)
    codebook(far)
    moved = (codebook.embeddings - restarted).abs().amax(1)
    assert codebook.nearest(far).unique().tolist() != [3]
    assert moved[3] < 1e-4, "the average was reset with the entry, so an update without a hit leaves it"


def test_without_restart_dead_entries_stay() -> None:
    codebook = trained(3)
    codebook.N[3], codebook.embeddings[3], codebook.z_avg[3] = 1e-3, 1000.0, 1.0
    codebook(latents(7))
    assert codebook.embeddings[3].min() > 900


def test_gradient_goes_straight_through_and_commitment_pulls_the_middle_only() -> None:
    codebook = trained().eval()
    x = latents(9).requires_grad_()
    result = codebook(x, margin=1)
    weight = torch.randn_like(x)
    (straight,) = torch.autograd.grad((result.quantized * weight).sum(), x, retain_graph=True)
    assert torch.equal(straight, weight)
    (pull,) = torch.autograd.grad(result.commitment, x)
    entries = codebook.lookup(result.codes)[:, :, 1:-1]
    middle = x.detach()[:, :, 1:-1]
    torch.testing.assert_close(pull[:, :, 1:-1], 0.25 * 2 * (middle - entries) / middle.numel())
    assert pull[:, :, [0, -1]].abs().max() == 0


def test_margin_frames_teach_nothing() -> None:
    narrow, wide = trained(), trained()
    x = latents(9)
    padded = torch.cat([torch.full_like(x[:, :, :2], 30.0), x, torch.full_like(x[:, :, :2], -30.0)], dim=2)
    plain, with_margin = narrow(x), wide(padded, margin=2)
    assert torch.equal(plain.codes, with_margin.codes[:, 2:-2])
    assert torch.equal(plain.perplexity, with_margin.perplexity)
    for name, value in narrow.state_dict().items():
        assert torch.equal(value, wide.state_dict()[name]), name


def test_perplexity_counts_equally_used_entries() -> None:
    codebook = EMACodebook(8, 1).eval()
    codebook.embeddings.copy_(torch.arange(8.0)[:, None])
    x = torch.tensor([0.0, 2.0, 5.0, 5.1, 0.2, 1.8]).view(1, 1, 6, 1, 1)
    assert codebook(x).perplexity.item() == pytest.approx(3.0, rel=1e-5)


def test_autocast_does_not_move_a_code() -> None:
    codebook = trained().eval()
    x = latents(9, t=64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(codebook(x).codes, codebook.nearest(x))
    distances = apart(rows_of(x), codebook.embeddings)
    chosen = distances.gather(1, codebook.nearest(x).view(-1, 1))[:, 0]
    assert (chosen - distances.amin(1)).max() < 1e-3, "nearest, or as near as float32 can tell by squares"


class LargestTensor(TorchDispatchMode):
    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(x, Tensor):
                self.numel = max(self.numel, x.untyped_storage().nbytes() // x.element_size())
        return out


def test_no_matrix_of_rows_times_entries_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codebook_module, "TILE", 2**14)
    codebook = EMACodebook(2048, 4, restart_below=1.0).train()
    x = torch.randn(4, 4, 8, 8, 8)
    with LargestTensor() as largest:
        codebook(x)
    rows = x.numel() // 4
    assert largest.numel <= max(2**14, x.numel(), 2048 * 4) < rows * 2048 / 100


def _train_on_one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    codebook = EMACodebook(16, 6, restart_below=0.9)
    codebook.load_state_dict(torch.load(Path(folder) / "start.pt"))
    codebook.train()
    perplexity = codebook(latents(9)[rank : rank + 1]).perplexity
    first = EMACodebook(16, 6).train()
    first(latents(rank))
    torch.save((codebook.state_dict(), perplexity, first.embeddings), Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_both_batches(tmp_path: Path) -> None:
    alone = trained()
    torch.save(alone.state_dict(), tmp_path / "start.pt")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    mp.spawn(_train_on_one_of_two, args=(str(tmp_path),), nprocs=2)
    perplexity = alone(latents(9)).perplexity
    states = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    alive = alone.N >= 0.9
    assert alive.any()
    for state, together, _ in states:
        torch.testing.assert_close(together, perplexity)
        torch.testing.assert_close(state["embeddings"][alive], alone.embeddings[alive])
    assert all(torch.equal(value, states[1][0][name]) for name, value in states[0][0].items())
    assert torch.equal(states[0][2], states[1][2]), "both processes start from the same entries"
