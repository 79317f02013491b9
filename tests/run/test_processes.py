"""Two processes that train together: one codebook, and what one process would train with their joined batch."""

import multiprocessing as std_multiprocessing
import os
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import multiprocessing

from tats_exp.config.check import check
from tats_exp.config.schema import Config, conf_dir
from tats_exp.data.clips import Clips
from tats_exp.data.shapes import Shapes
from tats_exp.data.step_sampler import StepSampler
from tats_exp.files import read_tensors
from tats_exp.fit import Budget, Scalars, fit
from tats_exp.progress import Progress
from tats_exp.run.processes import make_together
from tats_exp.stages.context import RunContext
from tats_exp.stages.trained import MODEL
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.vqgan import VQGAN, EMACodebook
from tats_exp.vqgan.reconstruction import L1
from tats_exp.vqgan.training import VQGANTraining

SGD = partial(torch.optim.SGD, lr=0.01)  # Adam would blow a difference in the last bit up to a whole step


def trained(folder: Path, norm: str, initialised: bool, devices: int = 1) -> dict[str, Any]:
    """Train a few steps; the losses as this process logged them, and the codebook."""
    torch.manual_seed(0)
    codebook = EMACodebook(16, 4, restart_below=0.5)
    vqgan = VQGAN(codebook, n_hiddens=4, downsample=(4, 4, 4), decoder_blocks=1, norm=norm)
    if initialised:
        codebook.initialised.fill_(True)
        codebook.restart_below = None
    data = Clips(Shapes(train_videos=8, test_videos=1, frames=40, resolution=8, seed=0).split("train"), 16)
    rows: list[dict[str, float]] = []
    strategy = "ddp" if devices > 1 else "auto"
    trainer = partial(L.Trainer, accelerator="cpu", devices=devices, strategy=strategy)
    budget = Budget(steps=4, batch_size=4, accumulate=2, gradient_clip=1.0, log_every=1, checkpoint_every=100)
    folder.mkdir(exist_ok=True)
    module = VQGANTraining(vqgan, SGD, None, L1(), 4.0, average_decay=0.9)
    fit(module, data, budget, folder, trainer, 3, lambda step, values: rows.append(values), lambda done, total: None)
    return {"rows": rows, "state": vqgan.state_dict(), "usage": module.usage.share}


CASES = {"batch": ("batch", False), "frame_group": ("frame_group", True)}


def one_of_two(rank: int, folder: str, port: int) -> None:
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, case in CASES.items():
        torch.save(trained(Path(folder) / name, *case, devices=2), Path(folder) / f"{name}_{rank}.pt")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of each case."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    multiprocessing.spawn(one_of_two, (str(folder), port), nprocs=2)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_both_processes_have_the_same_weights_and_codebook(two: Path, case: str) -> None:
    first, second = (torch.load(two / f"{case}_{rank}.pt", weights_only=True) for rank in (0, 1))
    learned = {name for name in first["state"] if "running" not in name}  # statistics follow at the next forward
    for name in learned:
        assert torch.equal(first["state"][name], second["state"][name]), name
    assert torch.equal(first["usage"], second["usage"])
    assert first["state"]["codebook.initialised"] and first["rows"] and not second["rows"]


@pytest.mark.slow
def test_two_processes_train_what_one_does_with_the_joined_batch(two: Path, tmp_path: Path) -> None:
    joined = trained(tmp_path / "one", *CASES["frame_group"])
    shared = torch.load(two / "frame_group_0.pt", weights_only=True)
    assert len(shared["rows"]) == len(joined["rows"]) == 4
    for ours, theirs in zip(shared["rows"], joined["rows"], strict=True):
        assert ours == pytest.approx(theirs, rel=5e-5)
    for name, tensor in joined["state"].items():
        torch.testing.assert_close(shared["state"][name], tensor, rtol=1e-4, atol=1e-5)


def test_processes_share_a_batch_without_overlap() -> None:
    whole = list(StepSampler(100, 6, seed=1, steps=4))
    parts = [list(StepSampler(100, 6, seed=1, steps=4, rank=rank, processes=3)) for rank in range(3)]
    assert [[index for share in shares for index in share] for shares in zip(*parts, strict=True)] == whole
    with pytest.raises(ValueError, match="batch_size=6 must be a multiple of the 4 processes"):
        StepSampler(100, 6, seed=1, steps=4, processes=4)


def composed(*overrides: str) -> Config:
    told = ["scale=smoke", "trainer=cpu", "threads=1", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return check(compose("config", overrides=told))


def made(config: Config, folder: Path, losses: Scalars) -> None:
    """Make the VQGAN of a run, by as many processes as it has devices."""
    run = RunContext(config)
    if int(config.trainer["devices"]) > 1:
        return make_together(VQGAN_STAGE, run, folder, Progress(folder, ""), losses)
    VQGAN_STAGE.make(VQGAN_STAGE.inputs(run), run.work(folder, lambda done, total: None, losses))


def stage_of_one_and_of_two(folder: Path, options: list[str], alone: list[str], together: list[str]) -> list[list]:
    """The logged rows of the stage, trained by one process against both discriminators, and by two."""
    # There is no codebook, whose first entries would be drawn from the share of one process.
    options = ["discriminators=both", "quantizer=fsq", "vqgan.training.steps=6", *options]
    options += ["vqgan.training.adversarial.lecam_weight=0.1", "vqgan.training.adversarial.warmup_steps=2"]
    found = []
    for number, config in enumerate((composed(*options, *alone), composed(*options, *together))):
        place, rows = folder / str(number), []
        place.mkdir()
        made(config, place, lambda step, values, rows=rows: rows.append((step, values)))
        found.append(rows)
    return found


def assert_alike(one: list, two: list) -> None:
    assert [step for step, _ in one] == [step for step, _ in two] == [2, 4, 6]
    for (_, ours), (_, theirs) in zip(one, two, strict=True):
        assert theirs == pytest.approx(ours, rel=2e-3, abs=1e-5)
    assert "train/vqgan/matching_temporal" in two[-1][1]


@pytest.mark.slow
@pytest.mark.parametrize("strategy, warmup", [("ddp_find_unused_parameters_true", 2), ("ddp", 4)])
def test_a_stage_trains_against_both_discriminators_in_two_processes_as_in_one(
    tmp_path: Path, strategy: str, warmup: int
) -> None:
    """Every random frame, loss and logged value is that of the joined batch; plain DDP bears no idle discriminators."""
    options = [f"vqgan.training.discriminators.{kind}.norm=group" for kind in ("spatial", "temporal")]
    alone = [f"vqgan.training.adversarial.warmup_steps={warmup}"]
    several = [*alone, "trainer.devices=2", f"+trainer.strategy={strategy}"]
    assert_alike(*stage_of_one_and_of_two(tmp_path, [*options, "norm=frame_group"], alone, several))
    one, two = (read_tensors(tmp_path / str(number) / MODEL) for number in (0, 1))
    assert one.keys() == two.keys()
    assert not (tmp_path / "1" / "last.ckpt").exists()


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_batch_norm_is_that_of_the_joined_batch_on_two_gpus(tmp_path: Path) -> None:
    precision = "trainer.precision=32-true"
    together = ["trainer=ddp", "trainer.devices=2", precision]
    assert_alike(*stage_of_one_and_of_two(tmp_path, [], ["trainer=gpu", precision], together))


@pytest.mark.slow
def test_processes_end_where_the_run_is_stopped(tmp_path: Path) -> None:
    def stop(step: int, values: dict[str, float]) -> None:
        raise KeyboardInterrupt

    several = ["trainer.devices=2", "+trainer.strategy=ddp", "norm=frame_group", "vqgan.training.steps=100000"]
    with pytest.raises(KeyboardInterrupt):
        made(composed(*several), tmp_path, stop)
    begun = time.monotonic()
    while std_multiprocessing.active_children():
        assert time.monotonic() - begun < 60
        time.sleep(0.1)


@pytest.mark.slow
def test_what_goes_wrong_in_a_process_is_one_line(tmp_path: Path) -> None:
    several = ["trainer.devices=2", "+trainer.strategy=ddp", "norm=frame_group"]
    config = composed(*several, "data=video_files", "data.root=no/such/folder")
    with pytest.raises(ValueError, match=r"^data.root=no/such/folder: no such folder$") as error:
        made(config, tmp_path, lambda step, values: None)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options, said",
    [
        (["trainer.devices=2"], "trainer.devices=2 with strategy=auto"),
        (["+trainer.strategy=ddp"], "trainer.devices=1 with strategy=ddp"),
        (["trainer.devices=2", "+trainer.strategy=ddp"], "trainer.sync_batchnorm=false"),
        (["trainer.devices=2", "+trainer.strategy=ddp", "+trainer.sync_batchnorm=true"], "allowed: cuda"),
        (["trainer.devices=3", "+trainer.strategy=ddp"], "batch_size=2 must be a multiple of trainer.devices=3"),
        (["trainer.devices=0"], "trainer.devices=0"),
    ],
)
def test_processes_that_do_not_fit_together_are_refused(options: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        composed(*options)
