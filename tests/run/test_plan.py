"""What a command line composes: mistakes are one line before anything runs, and every experiment fits every scale."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from runs import asking, tats_exp
from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.compose import compose_run
from tats_exp.config.models import build_adversaries, build_pixel_loss, build_vqgan, transformer_of
from tats_exp.config.schema import Config, conf_dir
from tats_exp.config.sections import identity
from tats_exp.data.shapes import ShapesVideos
from tats_exp.data.videos import Videos
from tats_exp.run.plan import Plan, make_plan
from tats_exp.stages.order import stages_of
from tats_exp.transformer.conditions import Unconditional
from tats_exp.vqgan.adversaries import Schedule
from tats_exp.vqgan.reconstruction import L1

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml"))
SCALES = sorted(path.stem for path in (conf_dir() / "scale").glob("*.yaml"))
WEIGHTLESS = [f"vqgan.training.discriminators.{name}_weight=0" for name in ("spatial", "matching")]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["padding=zro"], "padding=zro: no such option; did you mean 'zero'? allowed: alpha, loop, real, reflect"),
        (["sed=1"], "sed: unknown key; did you mean 'seed'?"),
        (
            ["sampling.temperature=1"],
            "sampling.temperature: unknown key; did you mean sampler.temperature?",
        ),
        (["data.root=/tmp"], "data.root: unknown key; it is one of data=drums, data=frame_folders, "),
        (["data.size=3"], "data.size: unknown key; allowed: _target_"),
        (["nrom=batch"], "nrom: unknown key; did you mean 'norm'? allowed: "),
        (["temperature=1"], "temperature: unknown key; did you mean sampler.temperature? allowed: audio"),
        (["vqgan.lr=1"], "vqgan.lr: unknown key; did you mean vqgan.training.optimizer.lr? allowed: checkpoint"),
        (["vqgan.model.n_hidens=4"], "vqgan.model.n_hidens: unknown key; did you mean 'n_hiddens'?"),
        (["+vqgan.model.n_hidens=4"], "vqgan.model.n_hidens: unknown key; did you mean 'n_hiddens'?"),
        (["+vqgan.model.codebook.sise=4"], "vqgan.model.codebook.sise: unknown key; did you mean 'size'?"),
        (["+vqgan.colour=4"], "vqgan.colour: unknown key; allowed: checkpoint, model, sizes, training"),
        (["+experiment=padding_ablation", "padding=zero,rel"], "padding=rel: no such option"),
        (["+experiment=padding_ablation", "seed=0,x"], "seed='x'"),
        (["+experiment=paddings"], "experiment=paddings: no such option; did you mean"),
        (["experiment=padding_ablation"], "+experiment=NAME"),
        (["seed=0,1"], "add -m"),
        (["metrics.network._target_=torch.nn.Identity"], "metrics.network._target_=torch.nn.Identity: no VideoNetwork"),
        (["seed=-1"], "seed=-1"),
        ([f"seed={2**31}"], f"seed={2**31}: Input should be less than {2**31}"),
        ([f"data.seed={2**63}"], f"data.seed={2**63}: more than 64 bits"),
        (["vqgan.training.reconstruction_weight=inf"], "vqgan.training.reconstruction_weight=inf: no finite number"),
        (["metrics=2"], "metrics=2: no such option; allowed: i3d, shapes_cnn"),
        (["metrics=[1,2]"], "metrics=[1,2]: no such option"),
        (["padding.decoder=2"], "padding.decoder=2: no such option"),
        (["vqgan=null"], "vqgan=null: a section of keys belongs here; allowed: vqgan.KEY=VALUE"),
        (["~vqgan"], "vqgan is missing"),
        (["vqgan='${nope}'"], "vqgan: Interpolation key 'nope' not found"),
        (["reserve=3"], "reserve=3: a section of keys belongs here"),
        (["transformer.model=null"], "transformer.model=null: a section of keys belongs here"),
        ([f"name={'a' * 300}"], "String should have at most 160 characters"),
        (["data.resolution=8"], "data.resolution=8: allowed: resolution=16, of the models"),
        (["-m", "seed=range(100000)"], "a sweep of 100,000 runs (seed: 100,000); allowed: 1,000 runs in one command"),
        (["-m", "seed=shuffle(range(0,1000000000000))"], "a sweep of 1,000,000,000,000 runs"),
        (["-m", "seed=range(500)", "context=1,2,3"], "a sweep of 1,500 runs (seed: 500, context: 3)"),
        (
            ["-m", f"question={'a' * 250},b", "hydra.sweep.subdir=${hydra.job.override_dirname}"],
            "259 bytes; allowed: 255, to which ${folder_name:TEXT} shortens a text",
        ),
        (["threads=3000000000"], "threads=3000000000"),
        (["workers=100000"], "workers=100000"),
        (["metrics.resamples=1000000000000"], "metrics.resamples=1000000000000"),
        (["vqgan.training.steps=1000000000000000000"], "vqgan.training.steps=1000000000000000000"),
        (["scale=smoke", "vqgan.training.optimizer={_target_: torch.optim.Muon}"], "vqgan.training.optimizer"),
        (["vqgan.training.optimizer.lr=1e300"], "vqgan.training.optimizer"),
        (
            ["transformer.training.optimizer.lr=1e20"],
            "optimizer.lr=1e+20: a step along a gradient of 1 makes the square of a weight infinite",
        ),
        (["vqgan.training.optimizer.betas=[0.5,0.9,0.9]"], "vqgan.training.optimizer: too many values"),
        (["vqgan.training.scheduler.total_steps=499"], "vqgan.training.scheduler: Tried to step 500 times"),
        *(
            (
                [
                    "scale=smoke",
                    f"transformer.training.scheduler={{_target_:torch.optim.lr_scheduler.{scheduler},_partial_:true}}",
                ],
                said,
            )
            for scheduler, said in (
                ("StepLR,step_size:0", "transformer.training.scheduler: ZeroDivisionError"),
                ("ReduceLROnPlateau", "transformer.training.scheduler: TypeError"),
            )
        ),
        (["transformer.training.optimizer._target_=torch.optim.LBFGS"], "transformer.training.optimizer"),
        (["transformer.model.layers=10000000"], "layers=10000000 must be at most 1000"),
        (["vqgan.model.decoder_blocks=1000000000"], "decoder_blocks=1000000000 must be at most 1000"),
        (["discriminators=both", "vqgan.sizes.disc_layers=1000000000"], "layers=1000000000 must be at most 32"),
        (["data.train_videos=100000000"], "data.train_videos must be at most 1000000"),
        (["eval_videos=100000000"], "eval_videos=100000000: codes of sampled videos of the stage samples take"),
        (["resolution=1000000"], "resolution=1000000"),
        (["transformer.model.width=4000000"], "transformer.model.width=4000000"),
        (["secondary=[val/vqgan/psnr]"], "secondary=[val/vqgan/psnr]: no endpoint is named"),
        (["endpoint=val/vqgan/psn"], "endpoint=val/vqgan/psn: no measure declares this column; did you mean 'val/vq"),
        (["+padding.halves={encoder:{_target_:os.getcwd},decoder:{_target_:os.getcwd}}"], "padding.halves: not to be"),
        (["+condition._partial_=true"], "condition._partial_=true: it is to be built"),
        (["vqgan.model.norm={_target_:os.getcwd}"], "vqgan.model.norm="),
        (["--padding"], "unknown flag --padding"),
        (["padding.encoder=zeros"], "padding.encoder=zeros: no such option; did you mean 'zero'? allowed: alpha"),
        (["padding=alpha", "padding.alpha=2.0"], "padding.alpha=2.0 is out of range; allowed: 0"),
        (["padding=zero", "padding.alpha=.5"], "padding.alpha: unknown key"),
        (["padding.encoder=alpha", "padding.alpha=.5"], "or arguments of the option chosen as padding=NAME"),
        (["+padding.alpha=.5"], "padding.alpha: unknown key; allowed: none"),
        (
            ["padding=alpha", "padding.encoder=zero", "padding.decoder=zero", "padding.alpha=.25"],
            "padding.alpha=0.25: an argument of alpha, which pads neither half; allowed: padding.encoder=alpha or",
        ),
        (["padding._target_=builtins.dict"], "padding._target_=builtins.dict: the option replicate is tats_exp"),
        (["vqgan.model.encoder_padding=zero"], "not to be set here; allowed: padding.encoder=NAME"),
        (["+vqgan.model.decoder_padding=zero"], "not to be set here; allowed: padding.decoder=NAME"),
        (["norm=group", "padding=real"], "norm=group"),
        (["resolution=18"], "resolution=18 must be a positive multiple of 4"),
        (["long_frames=50"], "frames=50 must be a positive multiple of 4"),
        (["long_frames=40"], "long_frames=40 must be a multiple of frames=16"),
        (["vqgan.model.downsample=[4,3,3]"], "downsample"),
        (["sampler.context=4"], "sampler.context=4 must be below"),
        (["-m", "context=1,2", "sampler=hierarchical"], "context: swept, but it is of sampler=sliding, Hierarchical"),
        (["vqgan.training.reconstruction._target_=torch.nn.L1Loss"], "no PixelLoss; allowed: subclasses of tats_exp."),
        (["vqgan.training.reconstruction_weight=-1"], "vqgan.training.reconstruction_weight=-1"),
        (["data.grounds=sand"], "data.grounds='sand': Input should be 'plain', 'palettes' or 'textures'"),
        (["sampler.top_k=1000"], "top_k=1000 must be at most 128"),
        (["sampler.top_p=0.0"], "top_p=0.0"),
        (["transformer.model.width=97"], "width=97 must be a multiple of heads=4"),
        (["vqgan.training.optimizer.lr=fast"], "'fast'"),
        (["scale=smoke", "vqgan.training.optimizer.lr=fast"], "vqgan.training.optimizer"),
        (["transformer.training.optimizer.lr=-1"], "transformer.training.optimizer"),
        (["transformer.training.optimizer.betas=[0.9]"], "transformer.training.optimizer"),
        (["+transformer.model.mask=c"], "transformer.model.mask: unknown key"),
        (["vqgan.model.downsample=[]"], "downsample"),
        (["mask=d"], "mask=d: no such option; allowed: a, b, c"),
        (["~condition"], "condition is missing"),
        *(([f"~vqgan.model.{key}"], f"vqgan.model.{key} is missing") for key in ("norm", "decoder_blocks")),
        (["sampler=hierarchical", "interpolation.model.mask=causal"], "interpolation.model.mask=causal"),
        (["sampler=hierarchical", "interpolation.model.mask=d"], "'a', 'b' or 'c'"),
        (["sampler=hierarchical", "sampler.key_every=1"], "sampler.key_every=1 must be at least 2 latent frames"),
        (["sampler=hierarchical", "sampler.context=4"], "context=4 must be below the window's 4 latent frames"),
        (["sampler=hierarchical", "sampler.top_k=1000"], "top_k=1000 must be at most 128"),
        (["sampler=hierarchical", "interpolation.model.width=97"], "width=97 must be a multiple of heads=4"),
        (["sampler=hierarchical", "data.frames=40"], "sampler.key_every=4: no clip fits: 52 frames"),
        (["transformer.window=3"], "transformer.window=3: shorter than a clip; allowed: 4 latent frames or more"),
        (["transformer.window=8", "sampler.context=8"], "sampler.context=8 must be below the window's 8 latent frames"),
        (["transformer.window=0"], "transformer.window=0"),
        (["transformer.window=16", "data.frames=40"], "transformer.window=16: no clip fits: 64 frames"),
        (
            ["transformer.window=8", "sampler=hierarchical", "data.frames=80"],
            "transformer.window=8: no clip fits: 116 frames",
        ),
        # A held-out window is encoded up to three latent frames later, too.
        (["data.frames=24", "sampler.context=1"], "no clip fits: 28 frames"),
        (["sampler=hierarchical", "padding=real", "data.frames=80"], "no clip fits: 52 frames plus 16 on either side"),
        (["interpolation.training.optimizer.lr=-1"], "interpolation.training.optimizer"),
        (["sampling.given_frames=6"], "sampling.given_frames=6 must be a multiple of 4, at most 16"),
        (["sampling.given_frames=20"], "sampling.given_frames=20 must be a multiple of 4, at most 16"),
        (["sampling.given_frames=8", "sampler=short"], "given_frames=8 needs a sampler of long videos"),
        (
            ["sampling.given_frames=8", "codes.held_out_windows=64"],
            "wants one window for each of the 128",
        ),
        (["+trainer.fast_dev_run=true"], "trainer.fast_dev_run: not to be set here"),
        (["trainer.devices=2"], "trainer.devices=2"),
        (["trainer.devices=true"], "trainer.devices=True with strategy=auto: allowed: 1"),
        (["trainer.accelerator=abacus"], "trainer: "),
        (["~trainer.precision"], "trainer.precision is missing"),
        (["data.seed=-1"], "data.seed=-1"),
        (["data=video_files", "data.root=.", "data.limits=null"], "data.limits=null: it has to be given"),
        (["store.root="], "store.root='': String should have at least 1 character"),
        (["name=.."], "name='..'"),
        (["data.frames=16"], "no clip fits"),
        (["--config-name=other"], "--config-"),
        (["trainer.precision=7"], "precision"),
        (["store.redo=[vqvae]"], "store.redo=[vqvae]: no stage of this run; did you mean 'vqgan'?"),
        (["data=video_files"], "data.root"),
        (["data=video_files", "data.root=no/such/folder"], "data.root=no/such/folder: no such folder"),
        (["data=video_files", "data.root=.", "data.limits.frames=0"], "data.limits: frames=0 must be at least 1"),
        (["data.frames=20", "padding=real"], "no clip fits"),
        (["discriminators=boht"], "discriminators=boht: no such option; did you mean 'both'?"),
        (
            ["discriminators=none", "vqgan.training.discriminators.spatial_weight=1"],
            "spatial_weight=1.0: there is no spatial discriminator",
        ),
        (["discriminators=spatial", "vqgan.training.discriminators.temporal_weight=1"], "no temporal discriminator"),
        (
            ["discriminators=none", "vqgan.training.discriminators.matching_weight=1"],
            "matching_weight=1.0: there is no discriminator",
        ),
        (["discriminators=both", "vqgan.training.discriminators.spatial_weight=-1"], "spatial_weight=-1"),
        (["discriminators=both", "vqgan.training.discriminators.spatial.width=0"], "width=0 must be at least 1"),
        (["discriminators=both", "vqgan.training.adversarial.start_step=500"], "start_step=500: the discriminators"),
        (["discriminators=both", "vqgan.training.adversarial.warmup_steps=201"], "warmup_steps=201 must be at most"),
        (["discriminators=both", "vqgan.training.adversarial.matching_layers=[1,1]"], "matching_layers=[1.0, 1.0]: 2"),
        (
            ["discriminators=both", "vqgan.training.adversarial.loss=wgan"],
            "vqgan.training.adversarial.loss='wgan' is unknown; allowed: hinge, log",
        ),
        (["discriminators=both", "vqgan.training.adversarial.adaptive=true", "compile=true"], "one of the two"),
        (["vqgan.training.perceptual_weight=1"], "perceptual_weight=1.0: there is no perceptual network"),
        (["perceptual=vgg16_l1", "vqgan.training.perceptual.weights=no/file"], "no weights of VGG16 at no/file"),
        (["vqgan.training.average_decay=1"], "vqgan.training.average_decay=1"),
        (
            ["data.train_videos=8", "vqgan.sizes.codes=8193"],
            "codebook of 8193 codes: the training videos have 8192 latents",
        ),
        (["quantizer=fsq", "vqgan.sizes.fsq_levels=[1,5]"], "fsq levels=[1, 5]"),
        (["quantizer=fsq", "+vqgan.model.codebook.size=4"], "vqgan.model.codebook.size: unknown key; allowed: levels"),
        (["trainer.precision=bf16-true"], "trainer.precision=bf16-true: allowed: 32-true"),
        (["trainer.precision=64-true"], "trainer.precision=64-true: allowed: 32-true"),
        (["vqgan.model.codebook.decay=1.5"], "codebook decay=1.5; allowed: 0 to 1"),
        (["vqgan.model.codebook.commitment=-1.0"], "codebook commitment=-1.0; allowed: 0 or more"),
        (["vqgan.model.codebook.restart_below=-0.5"], "codebook restart_below=-0.5; allowed: 0 to 1"),
        (["vqgan.model.codebook.restart_below=1.5"], "codebook restart_below=1.5; allowed: 0 to 1"),
        (["discriminators=both", "vqgan.training.adversarial.ramp_steps=301"], "ramp_steps=301: the discriminators"),
        ([*WEIGHTLESS, "discriminators=spatial"], "none of their weights is above 0"),
        (
            ["quantizer=fsq", "vqgan.model.codebook.size=4"],
            "vqgan.model.codebook.size: unknown key; allowed: _target_, levels",
        ),
        (["vqgan.model.codebok.size=4"], "vqgan.model.codebok: unknown key; did you mean vqgan.model.codebook.size?"),
        (["transformer.modle.layers=4"], "transformer.modle: unknown key; did you mean transformer.model.layers?"),
        (
            ["discriminators=spatial", "vqgan.training.discriminators.spatial.widht=3"],
            "spatial.widht: unknown key; did you mean 'width'",
        ),
        (
            ["+experiment=padding_ablation", "data=video_files", "data.rot=x"],
            "data.rot: unknown key; did you mean 'root'",
        ),
        (["norm=group", "vqgan.model.n_hiddens=20"], "n_hiddens: a layer of 40 channels has no 32 equal groups"),
        (
            ["discriminators=both", "vqgan.training.discriminators.temporal.norm=group", "vqgan.sizes.disc_width=20"],
            "discriminator: width: a layer of 40",
        ),
        (["quantizer=fsq", "sampler.top_k=126"], "top_k=126 must be at most 125"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        make_plan(arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_discriminators_that_idle_need_a_strategy_that_lets_them() -> None:
    processes = ["trainer=cpu", "trainer.devices=2", "norm=frame_group", "discriminators=spatial"]
    processes += ["vqgan.training.discriminators.spatial.norm=group", "+trainer.strategy=ddp"]
    with pytest.raises(UserError, match="strategy=ddp: the discriminators take no part in the first 200 steps"):
        make_plan(processes)
    make_plan([*processes, "vqgan.training.adversarial.warmup_steps=200"])
    make_plan([*processes[:3], "discriminators=none", "+trainer.strategy=ddp"])
    make_plan([*processes[:-1], "+trainer.strategy=ddp_find_unused_parameters_true"])


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("text", "condition: test/000003 .* has no caption, which condition=text needs"),
        ("audio", "condition: test/000000 .*: there is no sound in these data"),
    ],
)
def test_data_without_captions_or_sound_are_refused(monkeypatch: pytest.MonkeyPatch, condition: str, said: str) -> None:
    captions, audio = ShapesVideos.captions.fget, ShapesVideos.audio

    def some(videos: ShapesVideos) -> list[tuple[str, ...]]:
        named = zip(videos.names, captions(videos), strict=True)
        return [() if name.startswith("test/000003") else texts for name, texts in named]

    def silent(videos: ShapesVideos, *place: int) -> np.ndarray:
        return (Videos.audio if videos.names[0].startswith("test/") else audio)(videos, *place)

    monkeypatch.setattr(ShapesVideos, "captions", property(some))
    monkeypatch.setattr(ShapesVideos, "audio", silent)
    with pytest.raises(UserError, match=said):
        make_plan(["scale=smoke", f"condition={condition}"])
    make_plan(["scale=smoke", "condition=label"])


def test_a_mistake_inside_an_experiment_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    conf = tmp_path / "conf"
    shutil.copytree(conf_dir(), conf)
    (conf / "experiment" / "bad.yaml").write_text("# @package _global_\nvqgan: {model: {n_hidens: 4}}\n")
    for module in ("tats_exp.config.compose", "tats_exp.config.schema"):
        monkeypatch.setattr(f"{module}.conf_dir", lambda: conf)
    with pytest.raises(UserError, match=r"^vqgan\.model\.n_hidens: unknown key; did you mean 'n_hiddens'"):
        make_plan(["+experiment=bad"])


def test_nothing_is_written_when_a_run_is_refused(tmp_path: Path) -> None:
    result = tats_exp(tmp_path, "+experiment=padding_ablation", "padding=zero,rel")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("tats_exp: padding=rel: no such option")
    assert len(result.stderr.splitlines()) == 1 and not result.stdout
    assert list(tmp_path.iterdir()) == []


def has_run(experiment: str, scale: str) -> bool:
    """Whether it is recorded with the present recipe: that it fits the toy scale was seen."""
    return scale == "toy" and (ROOT / "experiments" / experiment / "record.json").is_file()


@pytest.mark.parametrize(
    "experiment, scale", [(name, scale) for name in EXPERIMENTS for scale in SCALES if not has_run(name, scale)]
)
def test_every_experiment_composes_at_every_scale(experiment: str, scale: str) -> None:
    outside = ["perceptual=none"] if scale == "paper" else []  # its weights are not everywhere
    plan = make_plan([*asking(experiment), f"scale={scale}", "seed=0", *outside])
    assert plan.jobs > 1 and "seed" in plan.record.swept
    assert plan.name == experiment


def composed(*overrides: str) -> Config:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return check(compose("config", overrides=[*overrides]))


def test_what_is_off_leaves_no_trace_in_the_key_of_the_training() -> None:
    none = "discriminators=none"
    said = composed(none).vqgan.training.meaning()
    kept = {"steps", "batch_size", "accumulate", "gradient_clip", "optimizer", "scheduler"}
    assert set(said) == kept | {"reconstruction", "reconstruction_weight"}
    same = ["adversarial.start_step=1", "adversarial.loss=log", "adversarial.lecam_weight=1", "usage_window=3"]
    assert said == composed(none, *(f"vqgan.training.{option}" for option in same)).vqgan.training.meaning()


@pytest.mark.parametrize(
    "option",
    [
        "adversarial.start_step=1",
        "adversarial.ramp_steps=1",
        "adversarial.warmup_steps=1",
        "adversarial.loss=log",
        "adversarial.adaptive=true",
        "adversarial.lecam_weight=1",
        "adversarial.matching_layers=[1,1,2]",
        "discriminators.spatial_weight=2",
        "discriminators.temporal.width=2",
        "average_decay=0.5",
    ],
)
def test_what_is_on_is_told_to_the_key_of_the_training(option: str) -> None:
    gan = composed("discriminators=both").vqgan.training.meaning()
    assert gan != composed("discriminators=both", f"vqgan.training.{option}").vqgan.training.meaning()


def test_where_weights_lie_is_not_in_the_key_but_what_they_are_is() -> None:
    here, there = (composed("perceptual=lpips", f"vqgan.training.perceptual.weights={path}") for path in ("a", "b"))
    nodes = [config.vqgan.training.perceptual for config in (here, there, composed("perceptual=vgg16_l1"))]
    assert here.vqgan.training.meaning() == there.vqgan.training.meaning()
    assert identity(nodes[0], "x") == identity(nodes[1], "x") != identity(nodes[0], "y")
    assert identity(nodes[0], "x") != identity(nodes[2], "x")


@pytest.mark.parametrize("option, kinds", [("none", []), ("spatial", ["spatial"]), ("temporal", ["temporal"])])
def test_each_set_of_discriminators_is_what_it_is_called(option: str, kinds: list[str]) -> None:
    adversaries = build_adversaries(composed(f"discriminators={option}").vqgan.training)
    assert kinds == ([] if adversaries is None else list(adversaries.discriminators))


@pytest.mark.parametrize("scale, option, weight", [("toy", "SquaredError", 20), ("paper", "L1", 4)])
def test_a_pixel_loss_brings_its_weight_which_can_be_said_otherwise(scale: str, option: str, weight: float) -> None:
    training = composed(f"scale={scale}").vqgan.training
    assert type(build_pixel_loss(training)).__name__ == option and training.reconstruction_weight == weight
    other = composed(f"scale={scale}", "reconstruction=l1", "vqgan.training.reconstruction_weight=7").vqgan.training
    assert isinstance(build_pixel_loss(other), L1) and other.reconstruction_weight == 7


def test_the_paper_trains_against_both_as_it_says() -> None:
    training = composed("scale=paper").vqgan.training
    adversaries = build_adversaries(composed("scale=paper").vqgan.training)
    assert training.perceptual["_target_"].endswith("LPIPS.pretrained") and training.perceptual_weight == 4
    assert adversaries.weights == {"spatial": 1, "temporal": 1} and adversaries.matching_weight == 4
    assert adversaries.schedule == Schedule(10_000) and adversaries.loss == "hinge" and not adversaries.adaptive
    assert [d.width for d in adversaries.discriminators.values()] == [64, 64]
    assert build_adversaries(composed("scale=paper", "discriminators=none").vqgan.training) is None


def test_the_size_of_a_codebook_may_follow_from_its_levels() -> None:
    config = composed("quantizer=fsq")
    assert config.codebook_size == 125
    assert transformer_of(config, "transformer", 1, 1).video_codes == 125


def reserve(plan: Plan) -> tuple[int, int]:
    return plan.record.reserve_training, plan.record.reserve_encoding


def test_the_reserve_is_the_largest_margin_of_the_sweep() -> None:
    alone = make_plan(["padding=replicate"])
    assert reserve(alone) == (0, 0)
    encoder = make_plan(["-m", "padding.encoder=replicate,real"])
    assert reserve(encoder) == (16, 16)
    both = make_plan(["-m", "padding=replicate,real"])
    # One ResBlock in the toy decoder: 3 latent frames of code margin.
    assert reserve(both) == (16 + 4 * 3, 16)
    at_least = make_plan(["-m", "padding=replicate,real", "reserve.training=40", "reserve.encoding=8"])
    assert reserve(at_least) == (40, 16)
    with pytest.raises(UserError, match=r"^reserve.training=0,4: all runs of a sweep keep the same frames free"):
        make_plan(["-m", "reserve.training=0,4"])


def test_paper_scale_has_the_sizes_of_the_original() -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=["scale=paper"])
    config = check(cfg)
    with torch.device("meta"):
        vqgan = build_vqgan(config.vqgan.model, config.padding.halves)
        transformer = transformer_of(config, "transformer", 0, 1)

    def millions(module: torch.nn.Module) -> float:
        return sum(parameter.numel() for parameter in module.parameters()) / 1e6

    assert millions(vqgan.encoder) == pytest.approx(7.40, abs=0.01)
    assert millions(vqgan.decoder) == pytest.approx(16.12, abs=0.01)
    assert millions(transformer) == pytest.approx(336, abs=2)
    assert config.latent_grid == (4, 16, 16)


def test_settings_of_an_interpolation_that_is_not_there_are_said_and_change_nothing() -> None:
    plan = make_plan(["mask=b"])
    assert plan.unused == ["mask=b: not used with SlidingWindow; sampler=hierarchical interpolates"]
    swept = make_plan(["+experiment=mask_ablation", "sampler=sliding,hierarchical", "interpolation.training.steps=9"])
    (note,) = swept.unused
    settings = "mask=a,b,c, interpolation.model.layers=1,2,3, interpolation.training.steps=9"
    assert note.startswith(f"{settings}: not used with SlidingWindow")
    with pytest.raises(UserError, match="mask: swept, but SlidingWindow does not interpolate"):
        make_plan(["+experiment=mask_ablation", "sampler=sliding"])
    assert make_plan(["sampler=hierarchical", "mask=b"]).unused == make_plan([]).unused == []


def test_a_hierarchy_has_the_windows_of_the_paper() -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        overrides = ["scale=paper", "sampler=hierarchical"]
        config = check(compose("config", overrides=overrides))
        alone = check(compose("config", overrides=[*overrides, "sampler=sliding"]))
    with torch.device("meta"):
        interpolation = transformer_of(config, "interpolation", 0, 1)
    assert interpolation.window_codes == 1280 and interpolation.mask == "c"
    assert config.learned_frames == 52 and config.key_every == 4  # key frames 0, 4, 8, 12 of 13 latent frames
    assert alone.key_every == 1 and alone.learned_frames == alone.frames
    walked = [{stage.name for stage in stages_of(one, Unconditional())} for one in (config, alone)]
    assert walked[0] - walked[1] == {"long_codes", "interpolation"} and walked[1] < walked[0]


def test_the_hierarchy_is_asked_about_the_longest_videos_of_a_scale() -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for scale, frames in (("smoke", 96), ("toy", 1024), ("paper", 1024)):
            cfg = compose_run(["+experiment=hierarchy_ablation", f"scale={scale}"])
            assert cfg.long_frames == cfg.longest_frames == frames
