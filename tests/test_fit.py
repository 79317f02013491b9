"""Resumed training equals uninterrupted training, to the bit: weights, codebook, optimiser, losses."""

import math
import re
from functools import partial
from pathlib import Path

import lightning.pytorch as L
import pytest
import torch

from tats_exp import NotFiniteError, UserError
from tats_exp.data.clips import Clips
from tats_exp.data.code_shards import CodeShards
from tats_exp.data.shapes import Shapes
from tats_exp.fit import (
    CHECKPOINT,
    DAMAGED,
    LOSSES,
    SUMMED,
    AtomicCheckpoints,
    Budget,
    fit,
    not_finite,
    read_checkpoint,
    read_losses,
    step_of,
)
from tats_exp.transformer import Transformer
from tats_exp.transformer.training import CodeWindows, TransformerTraining
from tats_exp.vqgan import VQGAN, EMACodebook, SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.adversaries import Adversaries, Schedule
from tats_exp.vqgan.reconstruction import L1
from tats_exp.vqgan.training import VQGANTraining

TRAINER = partial(L.Trainer, accelerator="cpu", devices=1)
ADAM = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.9))
ADAMW = partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.01)
ONE_CYCLE = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=2e-3, total_steps=6)


class StoppedError(Exception):
    """What a kill is to a process is this to a test."""


def vqgan_module(scheduler: object = ONE_CYCLE) -> VQGANTraining:
    torch.manual_seed(0)
    codebook = EMACodebook(size=16, dim=4, restart_below=0.5)
    model = VQGAN(codebook, n_hiddens=4, downsample=(4, 4, 4), decoder_blocks=1)
    return VQGANTraining(model, ADAM, scheduler, L1(), 4.0)


def gan_module() -> VQGANTraining:
    """All that keeps a state of its own, within six steps: warm-up, start, ramp."""
    plain = vqgan_module()
    both = {"spatial": SpatialDiscriminator(4, 2), "temporal": TemporalDiscriminator(4, 2)}
    weights = {"spatial": 1.0, "temporal": 1.0}
    schedule = Schedule(start_step=3, ramp_steps=2, warmup_steps=1)
    judges = Adversaries(both, weights, lecam_weight=0.1, adaptive=True, schedule=schedule)
    options = {"adversaries": judges, "average_decay": 0.9, "usage_window": 3, "seed": 3}
    return VQGANTraining(plain.vqgan, ADAM, ONE_CYCLE, L1(), 4.0, **options)


def transformer_module() -> TransformerTraining:
    torch.manual_seed(0)
    return TransformerTraining(Transformer(0, 16, (4, 2, 2), layers=1, heads=2, width=8), ADAMW, ONE_CYCLE)


def dropping_module() -> TransformerTraining:
    torch.manual_seed(0)
    transformer = Transformer(3, 16, (4, 2, 2), layers=1, heads=2, width=8, null=True)
    return TransformerTraining(transformer, ADAMW, ONE_CYCLE, condition_drop=0.5, seed=3)


def clips() -> Clips:
    return Clips(Shapes(train_videos=8, test_videos=1, frames=40, resolution=8, seed=0).split("train"), 16)


def code_windows() -> CodeWindows:
    torch.manual_seed(1)
    return CodeWindows(torch.zeros(32, 1, dtype=torch.int64), CodeShards([torch.randint(16, (32, 4, 2, 2))]))


def train(
    module: L.LightningModule, data, folder: Path, stop_at: int | None = None, videos: list | None = None, **budget: int
) -> list:
    logged = []

    def steps(done: int, total: int) -> None:
        if done == stop_at:
            raise StoppedError

    folder.mkdir(exist_ok=True)
    fit(
        module,
        data,
        Budget(**{"steps": 6, "batch_size": 4, "gradient_clip": 1.0, "log_every": 1, "checkpoint_every": 2, **budget}),
        folder,
        TRAINER,
        seed=3,
        scalars=lambda step, values: logged.append((step, values)),
        steps=steps,
        videos=videos,
    )
    return logged


@pytest.mark.parametrize("stop_at", [1, 3, 5])
@pytest.mark.parametrize(
    "make, data",
    [(vqgan_module, clips), (gan_module, clips), (transformer_module, code_windows), (dropping_module, code_windows)],
)
def test_stopped_and_resumed_is_never_stopped(tmp_path: Path, make, data, stop_at: int) -> None:
    whole = make()
    train(whole, data(), tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(make(), data(), tmp_path / "parts", stop_at=stop_at)
    resumed = make()
    with torch.no_grad():  # the checkpoint must bring everything
        for tensor in resumed.state_dict().values():
            tensor.zero_()
    if stop_at == 1:
        resumed = make()  # no checkpoint yet: it starts again from its own weights
    train(resumed, data(), tmp_path / "parts")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert list(read_losses(tmp_path / "whole" / LOSSES)) == list(read_losses(tmp_path / "parts" / LOSSES))


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"7", b""])
def test_losses_of_a_stopped_training_hang_on_its_checkpoint_alone(tmp_path: Path, damage: bytes) -> None:
    train(vqgan_module(), clips(), tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(vqgan_module(), clips(), tmp_path / "parts", stop_at=5)
    losses = tmp_path / "parts" / LOSSES
    if damage:
        content = bytearray(losses.read_bytes())
        content[60 : 60 + len(damage)] = damage
        losses.write_bytes(content)
    else:
        losses.unlink()
    logged = train(vqgan_module(), clips(), tmp_path / "parts")
    assert losses.read_bytes() == (tmp_path / "whole" / LOSSES).read_bytes()
    assert [step for step, _ in logged] == [1, 2, 3, 4, 5, 6]  # those before the checkpoint are told again


def test_losses_of_a_training_that_ended_are_told_again(tmp_path: Path) -> None:
    trained = vqgan_module()
    logged = train(trained, clips(), tmp_path)
    losses = tmp_path / LOSSES
    as_written = losses.read_bytes()
    losses.write_bytes(b"9" + as_written[1:60] + b"7" + as_written[61:])
    again = vqgan_module()
    assert train(again, clips(), tmp_path) == logged  # nothing else is left to be done
    assert losses.read_bytes() == as_written
    assert torch.equal(trained.vqgan.decoder.conv_last.conv.weight, again.vqgan.decoder.conv_last.conv.weight)


def test_resumed_inside_an_epoch_is_never_stopped(tmp_path: Path) -> None:
    videos = [window % 5 for window in range(32)]
    whole, resumed = transformer_module(), transformer_module()
    train(whole, code_windows(), tmp_path / "whole", videos=videos)
    with pytest.raises(StoppedError):
        train(transformer_module(), code_windows(), tmp_path / "parts", stop_at=3, videos=videos)
    train(resumed, code_windows(), tmp_path / "parts", videos=videos)
    other = transformer_module()
    train(other, code_windows(), tmp_path / "other")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert not torch.equal(whole.transformer.head.weight, other.transformer.head.weight)


@pytest.mark.parametrize("make", [vqgan_module, gan_module])
def test_resuming_inside_accumulation_draws_the_same_batches(tmp_path: Path, make) -> None:
    whole, resumed = make(), make()
    train(whole, clips(), tmp_path / "whole", accumulate=2)
    with pytest.raises(StoppedError):
        train(make(), clips(), tmp_path / "parts", stop_at=3, accumulate=2)
    train(resumed, clips(), tmp_path / "parts", accumulate=2)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_workers_do_not_change_what_is_trained(tmp_path: Path) -> None:
    alone, served = vqgan_module(), vqgan_module()
    train(alone, clips(), tmp_path / "alone")
    train(served, clips(), tmp_path / "served", workers=2)
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, served.state_dict()[name]), name


def test_losses_are_the_same_with_and_without_a_listener(tmp_path: Path) -> None:
    logged = train(vqgan_module(), clips(), tmp_path)
    rows = list(read_losses(tmp_path / LOSSES))
    assert [(step, key, value) for step, values in logged for key, value in values.items()] == rows
    assert {step for step, _, _ in rows} == set(range(1, 7))


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


def test_no_flipped_bit_of_a_checkpoint_gives_another_one(tmp_path: Path) -> None:
    path, weights = tmp_path / CHECKPOINT, {"a": torch.randn(20), "b": {"c": torch.arange(3)}}
    AtomicCheckpoints().save_checkpoint({"global_step": 7, "state_dict": weights, "loops": {"done": 1.5}}, path)
    whole, written, refused = path.read_bytes(), read_checkpoint(path), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        try:
            assert same(read_checkpoint(path), written)  # a byte of the mark that a sum follows
        except UserError as error:
            assert "is damaged" in str(error) and "\n" not in str(error)
            refused += 1
    assert refused == len(whole) - len(SUMMED)


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_a_damaged_checkpoint_is_named_put_aside_and_trained_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    whole, again = transformer_module(), transformer_module()
    train(whole, code_windows(), tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(transformer_module(), code_windows(), tmp_path / "parts", stop_at=3)
    path = tmp_path / "parts" / CHECKPOINT
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content[:-2000] if harm == "cut" else content)
    train(again, code_windows(), tmp_path / "parts")
    assert f"checkpoint {path} is damaged" in caplog.text and (tmp_path / "parts" / DAMAGED).is_file()
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert list(read_losses(tmp_path / "whole" / LOSSES)) == list(read_losses(tmp_path / "parts" / LOSSES))


def test_a_checkpoint_of_an_older_version_is_gone_on_from(tmp_path: Path) -> None:
    torch.save({"global_step": 7}, tmp_path / CHECKPOINT)
    assert step_of(tmp_path / CHECKPOINT) == 7


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"global_step": Path("anything")}, tmp_path / CHECKPOINT)
    with pytest.raises(ValueError, match="is damaged"):
        read_checkpoint(tmp_path / CHECKPOINT)


class Overflowing(torch.optim.SGD):
    """An optimiser that loses its weights at its fourth step, behind losses that are fine."""

    def step(self, closure: object = None) -> object:
        self.steps = getattr(self, "steps", 0) + 1
        loss = super().step(closure)
        if self.steps == 4:
            self.param_groups[0]["params"][0].data[0, 0] = float("inf")
        return loss


def huge(make) -> L.LightningModule:
    module = make()
    module._make_optimizer, module._make_scheduler = partial(torch.optim.SGD, lr=1e30), None
    return module


@pytest.mark.parametrize("make, data", [(vqgan_module, clips), (gan_module, clips), (transformer_module, code_windows)])
def test_a_loss_that_is_not_finite_ends_the_training_and_says_at_which_step(tmp_path: Path, make, data) -> None:
    with pytest.raises(
        NotFiniteError, match=r"train/\S+ is (nan|-?inf) at step [2-6]: the training diverged, "
    ) as error:
        train(huge(make), data(), tmp_path, gradient_clip=0.0, checkpoint_every=100)
    step = int(re.search(r"at step (\d)", str(error.value))[1])
    logged = list(read_losses(tmp_path / LOSSES))
    assert max(row[0] for row in logged) == step and not math.isfinite(sum(value for *_, value in logged))
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_checkpoint_with_weights_that_are_not_finite_never_replaces_a_good_one(tmp_path: Path) -> None:
    module = transformer_module()
    module._make_optimizer, module._make_scheduler = partial(Overflowing, lr=1e-3), None
    with pytest.raises(NotFiniteError, match=r"the weight transformer\.\S+ is not finite at step 4: .*step 2 is kept"):
        train(module, code_windows(), tmp_path, log_every=100)
    kept = read_checkpoint(tmp_path / CHECKPOINT)
    assert kept["global_step"] == 2
    assert not_finite(kept["state_dict"].items()) is None


def test_weights_are_looked_at_when_the_training_ends(tmp_path: Path) -> None:
    module = transformer_module()
    module._make_optimizer, module._make_scheduler = partial(Overflowing, lr=1e-3), None
    with pytest.raises(NotFiniteError, match=r"is not finite at step 4: the training diverged, it has no good"):
        train(module, code_windows(), tmp_path, steps=4, log_every=100, checkpoint_every=100)


def test_a_checkpoint_of_a_diverged_training_is_not_gone_on_from(tmp_path: Path) -> None:
    train(transformer_module(), code_windows(), tmp_path, steps=2)
    state = read_checkpoint(tmp_path / CHECKPOINT)
    state["state_dict"]["transformer.head.weight"][0, 0] = float("nan")
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(NotFiniteError, match=r"transformer\.head\.weight is not finite in the checkpoint .*delete it"):
        train(transformer_module(), code_windows(), tmp_path)


def test_weights_are_looked_at_where_checkpoints_are_written_and_not_at_every_step(tmp_path: Path, monkeypatch) -> None:
    looked = []
    monkeypatch.setattr("tats_exp.fit.not_finite", lambda tensors: looked.append(None))
    train(transformer_module(), code_windows(), tmp_path, steps=6, checkpoint_every=3)
    assert len(looked) == 3  # twice on the way, once at the end
