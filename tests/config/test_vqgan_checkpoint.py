"""A VQGAN from a file of the official code in place of a trained one, and a trained one written as such a file."""

import json
import os
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from runs import QUICK, run_folders, tats_exp
from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.checkpoints import checksum
from tats_exp.config.schema import Config, conf_dir
from tats_exp.config.vqgan_checkpoint import read_checkpoint
from tats_exp.official import load_vqgan, save_official_vqgan
from tats_exp.run.plan import make_plan
from tats_exp.stages.context import RunContext
from tats_exp.stages.vqgan import VQGAN_STAGE, read_vqgan
from tats_exp.vqgan import VQGAN, EMACodebook, SpatialDiscriminator, TemporalDiscriminator

REFERENCE = Path(os.environ.get("TATS_EXP_REFERENCE", "."))
needs_reference = pytest.mark.skipif("TATS_EXP_REFERENCE" not in os.environ, reason="TATS_EXP_REFERENCE is not set")


def composed(*overrides: str) -> Config:
    told = ["scale=smoke", "trainer=cpu", "threads=1", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return check(compose("config", overrides=told))


def written(path: Path, norm: str = "batch", channels: int = 3) -> Path:
    """A checkpoint of sizes that no scale has."""
    torch.manual_seed(7)
    vqgan = VQGAN(EMACodebook(24, 5), 16, (2, 4, 4), 2, norm, image_channels=channels)
    vqgan.discriminators = {"spatial": SpatialDiscriminator(6, 1, image_channels=channels)}
    vqgan.discriminators["temporal"] = TemporalDiscriminator(6, 1, image_channels=channels)
    save_official_vqgan(vqgan, path, frames=16, resolution=16)
    return path


@pytest.mark.slow
def test_a_file_runs_the_whole_job_and_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    file = written(tmp_path / "one.ckpt")
    result = tats_exp(tmp_path, *QUICK, "vqgan.checkpoint=one.ckpt")
    assert result.returncode == 0, result.stderr
    (store,) = tmp_path.glob("runs/store/vqgan/*/stage.json")
    assert json.loads(store.read_text())["recipe"] == {
        "stage": "vqgan",
        "version": VQGAN_STAGE.version,
        "inputs": {"checkpoint": checksum(str(file))},
    }
    kept, original = (
        read_vqgan(composed(f"vqgan.checkpoint={file}"), store.parent),
        load_vqgan(file),
    )
    video = torch.rand(1, 3, 16, 16, 16) - 0.5
    assert torch.equal(kept.encode(video), original.encode(video)) and kept.codebook.size == 24
    for kind, x in (("spatial", video[:, :, 3]), ("temporal", video)):
        assert torch.equal(kept.discriminators[kind](x)[0], original.discriminators[kind](x)[0])
    file.rename(tmp_path / "other.ckpt")
    again = tats_exp(tmp_path, *QUICK, "vqgan.checkpoint=other.ckpt", "seed=1")
    assert again.returncode == 0, again.stderr
    status = json.loads((run_folders(tmp_path)[-1] / "status.json").read_text())
    assert sorted(status["reused"]) == ["codes", "rebuilt", "reference", "vqgan"]
    values = json.loads((run_folders(tmp_path)[-1] / "metrics.json").read_text())["values"]
    assert values["val/vqgan/l1/frame_15"] > 0 and values["codes/usage/train"] > 0


@needs_reference
def test_a_checkpoint_of_the_original_gives_its_codes_at_any_scale(tmp_path: Path) -> None:
    path = REFERENCE / "vqgan_ucf_like.ckpt"
    recorded = torch.load(REFERENCE / "vqgan_ucf_like.io.pt")
    config = composed(f"vqgan.checkpoint={path}")
    assert (config.codebook_size, config.latent_grid) == (64, (4, 2, 2))
    run = RunContext(config)
    work = run.work(tmp_path, lambda done, total: None, lambda step, values: None)
    VQGAN_STAGE.make(VQGAN_STAGE.inputs(run), work)
    vqgan = read_vqgan(config, tmp_path)
    assert torch.equal(vqgan.encode(recorded["video"]), recorded["codes"])
    logits = vqgan.discriminators["temporal"](recorded["video"])[0]
    torch.testing.assert_close(logits, recorded["logits_video"], rtol=0, atol=1e-4)
    with pytest.raises(UserError, match=r"^norm=batch: the VQGAN of vqgan\.checkpoint has group; allowed: group"):
        composed(f"vqgan.checkpoint={REFERENCE / 'vqgan_groupnorm.ckpt'}")
    assert composed(f"vqgan.checkpoint={REFERENCE / 'vqgan_groupnorm.ckpt'}", "norm=group").codebook_size == 64


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["padding=zero"], "padding.encoder=zero: the VQGAN of vqgan.checkpoint has replicate; allowed: replicate"),
        (["padding=replicate,real", "-m"], "padding.encoder=real: the VQGAN of vqgan.checkpoint has replicate"),
        (["norm=frame_group"], "norm=frame_group: the VQGAN of vqgan.checkpoint has batch"),
        (["quantizer=fsq"], "FSQ: the VQGAN of vqgan.checkpoint has tats_exp.vqgan.EMACodebook"),
        (["perceptual=lpips"], "perceptual: the VQGAN of vqgan.checkpoint is neither built nor trained anew"),
        (["vqgan.sizes.codes=32"], "vqgan.sizes.codes: the VQGAN of vqgan.checkpoint is neither built nor"),
        (["vqgan.training.steps=3"], "vqgan.training.steps: the VQGAN of vqgan.checkpoint is neither built nor"),
        (["+experiment=padding_ablation"], "padding.encoder=zero: the VQGAN of vqgan.checkpoint has replicate"),
        (["+experiment=norm_ablation"], "norm=group: the VQGAN of vqgan.checkpoint has batch"),
        (["+experiment=discriminator_ablation"], "discriminators: the VQGAN of vqgan.checkpoint is neither"),
        (["resolution=18"], "resolution=18 must be a positive multiple of 4 (downsample=(2, 4, 4))"),
        (["sampler.top_k=25"], "top_k=25 must be at most 24"),
        (["vqgan.checkpoint=no/file"], "vqgan.checkpoint: checkpoint no/file: no such file"),
    ],
)
def test_what_it_cannot_be_is_refused_in_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    file = written(tmp_path / "one.ckpt")
    with pytest.raises(UserError) as error:
        make_plan(["scale=smoke", f"vqgan.checkpoint={file}", *arguments])
    assert said in str(error.value) and "\n" not in str(error.value)


def test_it_runs_a_sweep_that_swaps_nothing_inside_it_and_the_perceptual_network_of_a_scale_is_not_asked_for(
    tmp_path: Path,
) -> None:
    file = written(tmp_path / "one.ckpt")
    plan = make_plan(["-m", "scale=paper", f"vqgan.checkpoint={file}", "padding=replicate", "sampler.top_p=0.8,0.9"])
    assert plan.jobs == 2


def test_a_file_that_changed_is_read_anew_and_other_channels_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "one.ckpt")
    first = read_checkpoint(str(file))
    assert read_checkpoint(str(file)) is first
    written(file, norm="group")
    os.utime(file, (1, 1))
    assert read_checkpoint(str(file)).norm == "group"
    with pytest.raises(ValueError, match="its videos have 1 channels; allowed: 3"):
        read_checkpoint(str(written(tmp_path / "audio.ckpt", channels=1)))


@pytest.mark.slow
def test_discriminators_are_kept_after_training_and_exported(tmp_path: Path) -> None:
    inside = ("discriminators=both", "vqgan.model.decoder_blocks=2")
    result = tats_exp(tmp_path, *QUICK, *inside)
    assert result.returncode == 0, result.stderr
    (run,) = run_folders(tmp_path)
    exported = tats_exp(tmp_path, f"run={run}", "out=ours.ckpt", module="tats_exp.export")
    assert exported.returncode == 0, exported.stderr
    back = load_vqgan(tmp_path / "ours.ckpt")
    (stage,) = (path.parent for path in tmp_path.glob("runs/store/vqgan/*/stage.json"))
    vqgan = read_vqgan(composed(*inside), stage)
    video = torch.rand(2, 3, 16, 16, 16) - 0.5
    for kind, x in (("spatial", video[:, :, 3]), ("temporal", video)):
        # 8 of the 12 steps come after start_step; real and reconstructed clips are judged apart.
        assert int(vqgan.discriminators[kind].blocks[1][1].num_batches_tracked) == 16
        assert torch.equal(vqgan.discriminators[kind](x)[0], back.discriminators[kind](x)[0])
    assert torch.equal(vqgan.encode(video), back.encode(video))
    refused = tats_exp(tmp_path, f"run={run.parent / 'no'}", "out=x.ckpt", module="tats_exp.export")
    assert refused.returncode == 2 and "no run folder" in refused.stderr and len(refused.stderr.splitlines()) == 1
