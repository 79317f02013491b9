"""From the names of paddings to what they are: overrides win, files are read for halves set apart, a user's own too."""

import json
import os
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from runs import QUICK, tats_exp
from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.models import build_paddings, build_vqgan
from tats_exp.config.padding import with_halves
from tats_exp.config.schema import Config, conf_dir
from tats_exp.run.flags import read_command_line
from tats_exp.run.plan import make_plan
from tats_exp.run.sweep import compose_sweep
from tats_exp.vqgan import TimePadding
from tats_exp.vqgan.padding import Alpha, Replicate, Zero


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        told = ["scale=smoke", "trainer=cpu", "reserve.training=0", "reserve.encoding=0", *overrides]
        return compose("config", overrides=told)


def paddings(*overrides: str) -> tuple[TimePadding, TimePadding]:
    return build_paddings(check(composed(*overrides)).padding.halves)


@pytest.mark.parametrize(
    "overrides, encoder, decoder",
    [
        ([], Replicate(), Replicate()),
        (["padding=zero"], Zero(), Zero()),
        (["padding.encoder=zero"], Zero(), Replicate()),
        (["padding=zero", "padding.encoder=replicate", "padding.decoder=replicate"], Replicate(), Replicate()),
        (["padding=alpha"], Alpha(0.5), Alpha(0.5)),
        (["padding=alpha", "padding.alpha=0.25"], Alpha(0.25), Alpha(0.25)),
        (["padding=alpha", "padding.alpha=0.25", "padding.encoder=zero"], Zero(), Alpha(0.25)),
        (["padding.decoder=alpha"], Replicate(), Alpha(0.5)),
    ],
)
def test_a_half_is_the_option_that_it_names(overrides: list[str], encoder: TimePadding, decoder: TimePadding) -> None:
    assert paddings(*overrides) == (encoder, decoder)
    config = check(composed(*overrides))
    vqgan = build_vqgan(config.vqgan.model, config.padding.halves)
    assert (vqgan.encoder_padding, vqgan.decoder_padding) == (encoder, decoder)


def test_the_config_of_a_run_says_what_its_paddings_are_without_a_search_path() -> None:
    """Names stay what they are; what they stood for is not looked up again."""
    filled = with_halves(composed("padding=alpha", "padding.alpha=0.25", "padding.encoder=zero"))
    stored = OmegaConf.create(OmegaConf.to_yaml(filled, resolve=True))
    stored.padding.encoder = "an option that is gone"
    config = check(stored)
    assert (config.padding.encoder, config.padding.decoder) == ("an option that is gone", "alpha")
    assert build_paddings(config.padding.halves) == (Zero(), Alpha(0.25))


def test_a_sweep_over_an_argument_names_its_runs_by_it() -> None:
    values = ["0", "0.25", "0.5", "0.75", "1"]
    line = ["-m", "padding=alpha", f"padding.alpha={','.join(values)}", "scale=smoke"]
    sweep = compose_sweep(read_command_line(line))
    assert [folder.name for folder in sweep.run_folders] == [f"padding.alpha={value}" for value in values]
    nodes = [run.padding.halves for run in sweep.runs()]
    assert [node.encoder.alpha for node in nodes] == [node.decoder.alpha for node in nodes] == [0, 0.25, 0.5, 0.75, 1]


OWN = """
from dataclasses import dataclass

import torch

from tats_exp.vqgan import TimePadding
from tats_exp.vqgan.padding import Replicate, Zero


@dataclass(frozen=True)
class Dim(TimePadding):
    share: float
    seed: int = 0

    def pad(self, x, time, height, width):
        return self.share * Replicate().pad(x, time, height, width) + (1 - self.share) * Zero().pad(
            x, time, height, width
        )


def dim_by_half() -> Dim:
    return Dim(0.5)


def no_padding(share: float) -> int:
    raise SystemExit("called")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of options and the module that they name."""
    (tmp_path / "my_paddings.py").write_text(OWN)
    for name, rest in {
        "dim": "_target_: my_paddings.Dim\nshare: 0.5\nseed: ${seed}\n",
        "half_dim": "_target_: my_paddings.dim_by_half\n",
        "lamp": "_target_: my_paddings.no_padding\nshare: 0.5\n",
        "shade": "_target_: my_paddings.Dim\nshadow: 0.5\n",
        "gone": "_target_: my_paddings.Gone\n",
        "torn": "_target_: [my_paddings.Dim\n",
    }.items():
        path = tmp_path / "conf" / "padding" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name: {name}\n{rest}")
    (path.parent / "other.yaml").write_text("name: replicate\n_target_: my_paddings.Dim\nshare: 0.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "conf"


def planned(*arguments: str) -> Config:
    """The only run of a command line, checked as before its start."""
    (run,) = compose_sweep(read_command_line([*arguments, "scale=smoke", "logger=csv"])).runs()
    run.reserve = {"training": 0, "encoding": 0}
    return check(run)


@pytest.mark.parametrize("way", ["--config-dir={}", "hydra.searchpath=['{}']", "hydra.searchpath=['file://{}']"])
def test_an_option_of_a_user_is_chosen_and_set_apart_like_ours(own: Path, way: str) -> None:
    from my_paddings import Dim  # type: ignore[import-not-found]

    given = way.format(own)
    assert build_paddings(planned(given, "padding=dim", "padding.share=.25").padding.halves) == (Dim(0.25), Dim(0.25))
    assert build_paddings(planned(given, "padding.encoder=dim", "seed=3").padding.halves) == (
        Dim(0.5, seed=3),
        Replicate(),
    )
    assert build_paddings(planned(given, "padding=half_dim", "padding.decoder=alpha").padding.halves) == (
        Dim(0.5),
        Alpha(0.5),
    )


@pytest.mark.parametrize(
    "overrides, said",
    [
        (["padding.encoder=dm"], "padding.encoder=dm: no such option; did you mean 'dim'? allowed: alpha, dim, gone"),
        (["padding.encoder=lamp"], "padding._target_=my_paddings.no_padding: its return annotation is int; allowed:"),
        (["padding.encoder=shade"], "padding.shadow: unknown key; allowed: seed, share"),
        (["padding.decoder=gone"], "padding._target_: cannot import 'my_paddings.Gone'"),
        (["padding.decoder=torn"], "padding.decoder=torn: "),
        (["padding=other"], "padding._target_=my_paddings.Dim: the option replicate is tats_exp.vqgan.padding."),
    ],
)
def test_an_option_of_a_user_that_is_wrong_is_refused_in_one_line(own: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        make_plan([f"--config-dir={own}", "scale=smoke", "logger=csv", *overrides])
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


@pytest.mark.slow
def test_a_padding_of_a_user_trains_beside_a_swept_one_of_ours(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    options = ("padding=alpha", "padding.alpha=0.25,1", "padding.encoder=dim", "hydra.sweep.dir=runs/sweep")
    result = tats_exp(tmp_path, "-m", *QUICK, f"--config-dir={own}", *options, "vqgan.training.steps=6")
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.glob("runs/store/vqgan/*/stage.json"))) == 2
    for alpha in ("0.25", "1"):
        run = tmp_path / "runs" / "sweep" / f"padding.alpha={alpha}"
        assert json.loads((run / "status.json").read_text())["choices"] == {"padding.alpha": alpha, "seed": "0"}
        halves = OmegaConf.load(run / "config.yaml").padding.halves
        assert halves.encoder == {"_target_": "my_paddings.Dim", "share": 0.5, "seed": 0}
        assert halves.decoder == {"_target_": "tats_exp.vqgan.padding.Alpha", "alpha": float(alpha)}
