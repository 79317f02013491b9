"""Transformers from files of the official code in place of trained ones, with the VQGAN whose codes they speak."""

import json
import os
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from runs import QUICK, run_folders, tats_exp
from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.checkpoints import checksum
from tats_exp.config.schema import Config, conf_dir
from tats_exp.official import load_transformer, save_official_vqgan
from tats_exp.run.plan import make_plan
from tats_exp.stages.context import RunContext
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.transformer import Transformer
from tats_exp.vqgan import VQGAN, EMACodebook

REFERENCE = Path(os.environ.get("TATS_EXP_REFERENCE", "."))
needs_reference = pytest.mark.skipif("TATS_EXP_REFERENCE" not in os.environ, reason="TATS_EXP_REFERENCE is not set")
CODES = 24
GRID = (4, 4, 4)

STAGES = {stage.name: stage for stage in (VQGAN_STAGE, TRANSFORMER_STAGE, INTERPOLATION_STAGE)}


def composed(*overrides: str) -> Config:
    told = ["scale=smoke", "trainer=cpu", "threads=1", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return check(compose("config", overrides=told))


def write_vqgan(path: Path, codes: int = CODES) -> None:
    """A VQGAN with the latent grid of smoke scale, and a codebook that no scale has."""
    torch.manual_seed(7)
    save_official_vqgan(VQGAN(EMACodebook(codes, 5), 4, (4, 4, 4)), path, frames=16, resolution=16)


def write_transformer(
    path: Path,
    mask: str = "causal",
    codes: int = CODES,
    classes: int = 0,
    grid: tuple[int, int, int] = GRID,
    **more: int,
) -> None:
    """A transformer of sizes that no scale has, as the official code would have written it."""
    torch.manual_seed(8)
    model = Transformer(classes, codes, grid, 2, 3, 12, mask=mask)
    args = {"n_layer": 2, "n_head": 3, "n_embd": 12, "first_stage_vocab_size": codes, "resolution": 32}
    args |= {"block_size": model.window_codes, "n_unmasked": grid[1] * grid[2] if mask == "c" else 0}
    args |= {"cond_stage_key": "label", "unconditional": classes == 0, **more}
    state = {f"transformer.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": {"args": Namespace(**args)}}, path)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A VQGAN and the two transformers of a hierarchy."""
    paths = {name: tmp_path / f"{name}.ckpt" for name in ("vqgan", "transformer", "interpolation")}
    write_vqgan(paths["vqgan"])
    write_transformer(paths["transformer"])
    write_transformer(paths["interpolation"], "c", grid=(5, 4, 4))
    return paths


def told(files: dict[str, Path]) -> list[str]:
    return [f"{name}.checkpoint={path}" for name, path in files.items()]


@pytest.mark.slow
def test_files_alone_sample_and_are_measured(files: dict[str, Path], tmp_path: Path) -> None:
    result = tats_exp(tmp_path, *QUICK, "sampler=hierarchical", *told(files))
    assert result.returncode == 0, result.stderr
    (run,) = run_folders(tmp_path)
    windows = {"transformer": {"window": [4, 4, 4]}, "interpolation": {"window": [5, 4, 4]}}
    for name, path in files.items():
        (record,) = tmp_path.glob(f"runs/store/{name}/*/stage.json")
        assert json.loads(record.read_text())["recipe"] == {
            "stage": name,
            "version": STAGES[name].version,
            "inputs": {"checkpoint": checksum(str(path)), **windows.get(name, {})},
        }
    values = json.loads((run / "metrics.json").read_text())["values"]
    assert values["val/transformer/nll"] > 0 and values["val/interpolation/nll"] > 0 and values["leak/nll"] == 0
    assert (run / "losses.csv").read_text().splitlines() == ["stage,step,key,value"]
    # A sliding window wants the first of them alone, and finds it under any name.
    files["transformer"].rename(tmp_path / "renamed.ckpt")
    again = tats_exp(tmp_path, *QUICK, *told({**files, "transformer": tmp_path / "renamed.ckpt"}), "seed=1")
    assert again.returncode == 0, again.stderr
    assert "interpolation.checkpoint" in again.stdout and "not used with SlidingWindow" in again.stdout
    status = json.loads((run_folders(tmp_path)[-1] / "status.json").read_text())
    assert sorted(status["reused"]) == ["codes", "rebuilt", "reference", "transformer", "vqgan"]


def test_what_a_stage_leaves_is_what_the_file_holds(files: dict[str, Path], tmp_path: Path) -> None:
    config = composed("sampler=hierarchical", *told(files))
    run = RunContext(config)
    work = run.work(tmp_path, lambda done, total: None, lambda step, values: None)
    windows = {"transformer": GRID, "interpolation": (5, 4, 4)}
    for name, window in windows.items():
        stage = STAGES[name]
        stage.make(stage.inputs(run), work)
        kept, original = stage.read(config, tmp_path), load_transformer(files[name], window)
        codes = torch.randint(CODES, (2, kept.window_codes))
        condition = torch.zeros(2, 1, dtype=torch.int64)
        assert kept.mask == original.mask and kept.window == window
        assert torch.equal(kept.logits(condition, codes), original.logits(condition, codes))


@needs_reference
def test_the_reference_transformers_are_held_against_the_vqgan(tmp_path: Path) -> None:
    write_vqgan(tmp_path / "vqgan.ckpt", codes=48)
    vqgan = f"vqgan.checkpoint={tmp_path / 'vqgan.ckpt'}"
    ar, interpolation = (REFERENCE / f"{name}.ckpt" for name in ("gpt_ar_label", "gpt_interp_mask_c"))
    pair = (f"transformer.checkpoint={ar}", f"interpolation.checkpoint={interpolation}")
    config = composed("sampler=hierarchical", vqgan, *pair)
    assert config.checkpoints["transformer"] == str(ar) and config.transformer.model["width"] == 32
    with pytest.raises(UserError, match="its vocabulary has 48 video codes, the VQGAN 64"):
        composed("resolution=32", f"vqgan.checkpoint={REFERENCE / 'vqgan_ucf_like.ckpt'}", pair[0])
    with pytest.raises(UserError, match="trained with a condition of 8 classes, the data have 16 classes"):
        make_plan(["scale=smoke", vqgan, pair[0], "condition=label"])


@pytest.mark.parametrize(
    "given, arguments, said",
    [
        ("transformer", ["vqgan.checkpoint=null"], "it speaks the codes of the VQGAN it was trained with; give that"),
        ("transformer", ["transformer.checkpoint=no/file"], "transformer.checkpoint: checkpoint no/file: no such file"),
        (
            "transformer",
            ["resolution=32"],
            "window=(4, 8, 8) does not fit block_size=64, n_unmasked=0; it follows from frames",
        ),
        ("transformer", ["frames=32", "long_frames=64"], "window=(8, 4, 4) does not fit block_size=64"),
        ("transformer", ["frames=64", "long_frames=64", "resolution=8"], "it was trained at resolution=32, not 8"),
        ("transformer", ["condition=label"], "it was trained with no condition, the data have 16 classes; allowed: co"),
        ("transformer", ["transformer.model.layers=3"], "transformer.model.layers: the transformer of transformer.che"),
        ("transformer", ["transformer.training.steps=1"], "is neither built nor trained anew; allowed: without"),
        ("transformer", ["sampler.context=4"], "context=4 must be below the window's 4 latent frames"),
        ("transformer", ["sampler.top_k=25"], "top_k=25 must be at most 24"),
        ("interpolation", ["mask=a"], "mask=a: the interpolation transformer of interpolation.checkpoint has c"),
        (
            "interpolation",
            ["+experiment=mask_ablation"],
            "interpolation.model.layers: the interpolation transformer of",
        ),
        (
            "interpolation",
            ["sampler.key_every=3"],
            "does not fit block_size=80, n_unmasked=16; it follows from sampler.key_every",
        ),
        ("interpolation", ["interpolation.anchors_in_loss=true"], "interpolation.anchors_in_loss: the interpolation"),
    ],
)
def test_what_it_cannot_be_is_refused_in_one_line(
    given: str, arguments: list[str], said: str, files: dict[str, Path]
) -> None:
    some = {name: files[name] for name in ("vqgan", given)}
    sampler = ["sampler=hierarchical"] if given == "interpolation" else []
    with pytest.raises(UserError) as error:
        make_plan(["scale=smoke", *sampler, *told(some), *arguments])
    assert said in str(error.value) and "\n" not in str(error.value)


def test_files_that_do_not_fit_each_other_are_refused_in_one_line(files: dict[str, Path]) -> None:
    write_transformer(files["transformer"], codes=CODES + 1)
    with pytest.raises(UserError, match="its vocabulary has 25 video codes, the VQGAN 24; allowed: one that was"):
        composed(*told({name: files[name] for name in ("vqgan", "transformer")}))
    write_transformer(files["transformer"], sample_every_n_latent_frames=3)
    with pytest.raises(UserError, match=r"it models every 3\. latent frame; allowed: sampler=hier"):
        composed(*told({name: files[name] for name in ("vqgan", "transformer")}))
    write_transformer(files["transformer"], classes=5)
    with pytest.raises(UserError, match="trained with a condition of 5 classes, condition=none; allowed: condition=l"):
        make_plan(["scale=smoke", *told({name: files[name] for name in ("vqgan", "transformer")})])
    write_transformer(files["transformer"], "c")
    with pytest.raises(UserError, match=r"the transformer in it has mask c; it fits interpolation\.checkpoint"):
        composed(*told({name: files[name] for name in ("vqgan", "transformer")}))
    write_transformer(files["interpolation"], grid=(5, 4, 4))
    some = told({name: files[name] for name in ("vqgan", "interpolation")})
    with pytest.raises(UserError, match=r"the transformer in it has mask causal; it fits transformer\.checkpoint"):
        composed("sampler=hierarchical", *some)


def test_a_sweep_over_what_a_file_leaves_open_is_planned(files: dict[str, Path]) -> None:
    options = ("+experiment=hierarchy_ablation", "sampler=sliding,hierarchical", "sampler.context=1,2")
    plan = make_plan(["scale=smoke", *told(files), *options])
    assert plan.jobs == 8 and [line.split("=")[0] for line in plan.unused] == ["interpolation.checkpoint"]
