"""What a command line composes: mistakes are one line before anything runs, and every experiment fits every scale."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from runs import tats_exp
from tats_exp.config import ConfigError, build_transformer, build_vqgan, check, conf_dir
from tats_exp.plan import make_plan

EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml"))
SCALES = sorted(path.stem for path in (conf_dir() / "scale").glob("*.yaml"))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["padding=zro"], "padding=zro: no such option; did you mean 'zero'? allowed: loop, real, reflect"),
        (["sed=1"], "sed: unknown key; did you mean 'seed'?"),
        (["vqgan.model.n_hidens=4"], "vqgan.model.n_hidens: unknown key; did you mean 'n_hiddens'?"),
        (["+vqgan.model.n_hidens=4"], "vqgan.model.n_hidens: unknown key; did you mean 'n_hiddens'?"),
        (["+vqgan.model.codebook.sise=4"], "vqgan.model.codebook.sise: unknown key; did you mean 'size'?"),
        (["+vqgan.colour=4"], "vqgan.colour: unknown key; allowed: model, training"),
        (["+experiment=padding_ablation", "padding=zero,rel"], "padding=rel: no such option"),
        (["+experiment=padding_ablation", "seed=0,x"], "seed='x'"),
        (["+experiment=paddings"], "experiment=paddings: no such option; did you mean"),
        (["experiment=padding_ablation"], "+experiment=NAME"),
        (["seed=0,1"], "add -m"),
        (["metrics.network._target_=torch.nn.Identity"], "metrics.network: Identity has no name"),
        (["seed=-1"], "seed=-1"),
        (["--padding"], "unknown flag --padding"),
        (["padding.encoder=zeros"], "padding.encoder='zeros': Input should be 'zero'"),
        (["norm=group", "padding=real"], "norm=group"),
        (["resolution=18"], "resolution=18 must be a positive multiple of 4"),
        (["long_frames=50"], "frames=50 must be a positive multiple of 4"),
        (["long_frames=40"], "long_frames=40 must be a multiple of frames=16"),
        (["vqgan.model.downsample=[4,3,3]"], "downsample"),
        (["sampler.context=4"], "context=4 must be below"),
        (["sampler.top_k=1000"], "top_k=1000 must be at most 128"),
        (["sampler.top_p=0.0"], "top_p=0.0"),
        (["transformer.model.width=97"], "width=97 must be a multiple of heads=4"),
        (["vqgan.training.optimizer.lr=fast"], "'fast'"),
        (["scale=smoke", "vqgan.training.optimizer.lr=fast"], "vqgan.training.optimizer"),
        (["transformer.training.optimizer.lr=-1"], "transformer.training.optimizer"),
        (["transformer.training.optimizer.betas=[0.9]"], "transformer.training.optimizer"),
        (["+transformer.model.mask=c"], "transformer.model.mask: unknown key"),
        (["vqgan.model.downsample=[]"], "downsample"),
        (["+trainer.fast_dev_run=true"], "trainer.fast_dev_run: not to be set here"),
        (["trainer.devices=2"], "trainer.devices=2"),
        (["trainer.accelerator=abacus"], "trainer: "),
        (["~trainer.precision"], "trainer.precision is missing"),
        (["data.seed=-1"], "data.seed=-1"),
        (["name=.."], "name='..'"),
        (["data.frames=16"], "no clip fits"),
        (["--config-name=other"], "--config-"),
        (["trainer.precision=7"], "precision"),
        (["store.redo=[vqvae]"], "store.redo.0='vqvae'"),
        (["data=video_files"], "data.root"),
        (["data=video_files", "data.root=no/such/folder"], "data.root=no/such/folder: no such folder"),
        (["data.frames=20", "padding=real"], "no clip fits"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_plan(arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mistake_inside_an_experiment_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    conf = tmp_path / "conf"
    shutil.copytree(conf_dir(), conf)
    (conf / "experiment" / "bad.yaml").write_text("# @package _global_\nvqgan: {model: {n_hidens: 4}}\n")
    for module in ("tats_exp.plan", "tats_exp.config"):
        monkeypatch.setattr(f"{module}.conf_dir", lambda: conf)
    with pytest.raises(ConfigError, match=r"^vqgan\.model\.n_hidens: unknown key; did you mean 'n_hiddens'"):
        make_plan(["+experiment=bad"])


def test_nothing_is_written_when_a_run_is_refused(tmp_path: Path) -> None:
    result = tats_exp(tmp_path, "+experiment=padding_ablation", "padding=zero,rel")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("tats_exp: padding=rel: no such option")
    assert len(result.stderr.splitlines()) == 1 and not result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_experiment_composes_at_every_scale(experiment: str, scale: str) -> None:
    plan = make_plan([f"+experiment={experiment}", f"scale={scale}"])
    assert plan.multirun and plan.jobs > 1 and "seed" in plan.swept
    assert plan.name == experiment


def test_the_reserve_is_the_largest_margin_of_the_sweep() -> None:
    alone = make_plan(["padding=replicate"])
    assert (alone.reserve_training, alone.reserve_encoding) == (0, 0)
    encoder = make_plan(["-m", "padding.encoder=replicate,real"])
    assert (encoder.reserve_training, encoder.reserve_encoding) == (16, 16)
    both = make_plan(["-m", "padding=replicate,real"])
    assert both.reserve_training == 16 + 4 * 3  # one ResBlock in the toy decoder: 3 latent frames of code margin
    assert both.reserve_encoding == 16


def test_paper_scale_has_the_sizes_of_the_original() -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=["scale=paper", "reserve.training=0", "reserve.encoding=0"])
    config = check(cfg)
    with torch.device("meta"):
        vqgan = build_vqgan(config)
        transformer = build_transformer(config, condition_codes=0, condition_length=1)

    def millions(module: torch.nn.Module) -> float:
        return sum(parameter.numel() for parameter in module.parameters()) / 1e6

    assert millions(vqgan.encoder) == pytest.approx(7.40, abs=0.01)
    assert millions(vqgan.decoder) == pytest.approx(16.12, abs=0.01)
    assert millions(transformer) == pytest.approx(336, abs=2)
    assert config.latent_grid == (4, 16, 16)
