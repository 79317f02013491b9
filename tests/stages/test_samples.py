"""The samples stage: stopped and started again it leaves what it would have left, from given frames, too."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.models import build_vqgan, transformer_of
from tats_exp.config.schema import Config, conf_dir
from tats_exp.data.code_shards import CodeShards, ShardWriter
from tats_exp.data.shapes_scene import LABEL_NAMES
from tats_exp.files import read_tensors, save_tensors, save_with_sum
from tats_exp.run.plan import make_plan
from tats_exp.sampling import SlidingWindow
from tats_exp.stages import text_condition
from tats_exp.stages.codes import WindowCodes, read_codes
from tats_exp.stages.context import Left, RunContext, meaning
from tats_exp.stages.samples import SAMPLES_STAGE, Samples, read_samples
from tats_exp.stages.trained import MODEL
from tats_exp.stages.transformers import read_transformer

QUICK = ("scale=smoke", "logger=csv", "trainer=cpu")


def run_of(folder: Path, *overrides: str) -> RunContext:
    """A run whose models and codes are random; what is in its folders does not depend on how it samples."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config: Config = check(compose("config", overrides=[*QUICK, *overrides]))
    stages = ("vqgan", "codes", "long_codes", "transformer", "interpolation", "tokenizer")
    run = RunContext(config, {name: Left(name, folder / name) for name in stages})
    for left in run.left.values():
        left.folder.mkdir(exist_ok=True)
    (folder / "tokenizer" / text_condition.FILE).write_text(text_condition._trained(["a red disc"], 300).to_str())
    condition = (run.condition.vocabulary(16), run.condition.length)
    torch.manual_seed(0)
    save_tensors(folder / "vqgan" / MODEL, build_vqgan(config.vqgan.model, config.padding.halves).state_dict())
    save_tensors(folder / "transformer" / MODEL, transformer_of(config, "transformer", *condition).state_dict())
    if config.interpolates:
        save_tensors(folder / "interpolation" / MODEL, transformer_of(config, "interpolation", *condition).state_dict())
    labels, held_out = torch.arange(32) % 16, torch.arange(8)
    windows = torch.randint(16, (8, 4, 4, 4), generator=torch.Generator().manual_seed(1))

    def conditions(of: torch.Tensor) -> torch.Tensor:
        return of[:, None].repeat(1, condition[1]) * bool(condition[0])

    codes = WindowCodes(
        shards=CodeShards([torch.zeros(32, 4, 4, 4, dtype=torch.int64)]),
        train_condition=conditions(labels),
        train_labels=labels,
        train_videos=labels,
        held_out_shifts=torch.stack([windows, windows.flip(0)], dim=1),
        held_out_condition=conditions(held_out),
        held_out_labels=held_out,
        held_out_videos=held_out,
        latent_shift=torch.zeros(3, dtype=torch.float64),
    )
    for name in ("codes", "long_codes"):
        if not ShardWriter(folder / name).done:  # a second run of the same folder finds them
            ShardWriter(folder / name).write(codes.train)
        codes.write(folder / name)
    return run


def sample(run: RunContext, folder: Path) -> Samples:
    """What the stage leaves in a folder, which may hold what a stopped attempt left."""
    folder.mkdir(exist_ok=True)
    work = run.work(folder, lambda done, total: None, lambda step, values: None)
    SAMPLES_STAGE.make(SAMPLES_STAGE.inputs(run), work)
    return read_samples(run.config, folder)


class StoppedError(Exception):
    """What a kill looks like from inside."""


def die_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Die when a file of this name would be written."""

    def dying(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        if path.name == name:
            raise StoppedError
        save_with_sum(path, tensors)

    monkeypatch.setattr("tats_exp.stages.samples.save_with_sum", dying)


@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
@pytest.mark.parametrize("extra", [(), ("padding=real", "data.frames=128"), ("sampling.given_frames=8",)])
def test_stopped_and_started_again_in_other_batches_is_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, extra: tuple[str, ...]
) -> None:
    options = (f"sampler={sampler}", "condition=label", *extra)
    again = tmp_path / "samples"
    whole = sample(run_of(tmp_path, *options), tmp_path / "whole")

    stopped = run_of(tmp_path, *options, "sampling.batch_size=3")
    die_at(monkeypatch, "part_3.safetensors")
    with pytest.raises(StoppedError):
        sample(stopped, again)
    monkeypatch.undo()
    assert {path.name for path in again.iterdir()} == {"part_0.safetensors", "part_0.safetensors.sha256"}
    resumed = sample(run_of(tmp_path, *options, "sampling.batch_size=2", "sampling.gaps_at_once=5"), again)

    assert {path.name for path in again.iterdir()} == {"samples.safetensors", "samples.json"}
    assert torch.equal(resumed.codes, whole.codes)
    assert torch.equal(resumed.labels, whole.labels)
    assert resumed.seconds_per_1024_frames > 0


def test_a_damaged_batch_of_a_stopped_attempt_is_sampled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, again = sample(run_of(tmp_path), tmp_path / "whole"), tmp_path / "samples"
    run = run_of(tmp_path, "sampling.batch_size=3")
    die_at(monkeypatch, "part_3.safetensors")
    with pytest.raises(StoppedError):
        sample(run, again)
    monkeypatch.undo()
    content = (again / "part_0.safetensors").read_bytes()
    (again / "part_0.safetensors").write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    assert torch.equal(sample(run, again).codes, whole.codes)


@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
@pytest.mark.parametrize("padding", ["replicate", "real"])
def test_prediction_begins_with_the_held_out_windows_and_has_their_labels(
    tmp_path: Path, sampler: str, padding: str
) -> None:
    options = (f"sampler={sampler}", f"padding={padding}", "data.frames=128", "condition=label")
    samples = sample(run_of(tmp_path, *options, "sampling.given_frames=8"), tmp_path / "samples")
    margin = json.loads((tmp_path / "samples/samples.json").read_text())["code_margin"]
    windows = torch.randint(16, (8, 4, 4, 4), generator=torch.Generator().manual_seed(1))
    assert samples.given == 2 and (margin > 0) == (padding == "real") == samples.has_margin
    assert torch.equal(samples.codes[:, margin : margin + 2], windows[:, :2])
    assert torch.equal(samples.codes[:, :margin], windows[:, :1].expand(-1, margin, -1, -1))
    assert samples.codes.shape[1] == margin + 2 + 48 // 4 + margin
    assert samples.labels.tolist() == list(range(8))
    # Key frames are latent frames 0, 4, 8, ... of the video; the first behind the two given ones is the third on.
    assert samples.first_anchor == (2 if sampler == "hierarchical" else None)


def test_anchors_are_found_behind_the_margin(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sampler=hierarchical", "padding=real", "data.frames=128")
    samples = sample(run, tmp_path / "samples")
    assert json.loads((tmp_path / "samples/samples.json").read_text())["code_margin"] == 3
    assert samples.first_anchor == 1  # latent frame 4 of those sampled


def test_too_few_held_out_windows_are_one_line(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sampling.given_frames=8", "eval_videos=9", "codes.held_out_windows=9")
    with pytest.raises(ValueError, match="the test split has 8 windows; allowed: one for each of the 9"):
        sample(run, tmp_path / "samples")


@pytest.mark.parametrize("condition, of_held_out", [("text", True), ("label", False)])
def test_captions_are_asked_for_that_training_never_saw(tmp_path: Path, condition: str, of_held_out: bool) -> None:
    run = run_of(tmp_path, f"condition={condition}", "threads=1", "eval_videos=16")
    samples = sample(run, tmp_path / "samples")
    codes = read_codes(None, tmp_path / "codes")
    labels, asked_for = codes.train_labels, codes.train_condition
    if of_held_out:
        labels, asked_for = codes.held_out_labels, codes.held_out_condition
    rng = np.random.default_rng([run.config.seed, 1])
    seeds = rng.integers(2**62, size=16).tolist()
    drawn = torch.from_numpy(rng.choice(len(labels), 16))
    assert torch.equal(samples.labels, labels[drawn])
    transformer = read_transformer(run.config, tmp_path / "transformer", "transformer")
    with torch.inference_mode():
        expected = SlidingWindow(run.config.sampler["context"], top_p=0.92)(transformer, asked_for[drawn], 12, seeds)
    assert torch.equal(samples.codes, expected)


def test_what_is_asked_for_is_in_the_key_where_it_is_held_out(tmp_path: Path) -> None:
    def told(*options: str) -> bool:
        return "asks_held_out" in meaning(SAMPLES_STAGE.inputs(run_of(tmp_path, *options)))

    assert told("condition=text")
    assert not any(map(told, ("condition=none", "condition=label")))
    assert not told("condition=text", "sampling.given_frames=8"), "each has the caption of the window it goes on from"


def test_half_precision_samples_with_rounded_transformers(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sampling.precision=bf16", "threads=1")
    codes = sample(run, tmp_path / "samples").codes
    rng = np.random.default_rng([run.config.seed, 1])
    seeds = rng.integers(2**62, size=8).tolist()
    transformer = read_transformer(run.config, tmp_path / "transformer", "transformer").to(torch.bfloat16)
    with torch.inference_mode():
        expected = SlidingWindow(run.config.sampler["context"], top_p=0.92)(
            transformer, torch.zeros(8, 1, dtype=torch.int64), 12, seeds
        )
    assert torch.equal(codes, expected)


def heard(run: RunContext) -> RunContext:
    """The run with transformers that mind their condition: fresh ones hardly do."""
    for name in ("transformer", "interpolation"):
        path = run.left[name].folder / MODEL
        if path.is_file():
            weights = read_tensors(path)
            save_tensors(path, {key: 8 * value if value.ndim == 2 else value for key, value in weights.items()})
    return run


@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
@pytest.mark.parametrize("extra", [(), ("padding=real", "data.frames=128"), ("sampling.given_frames=8",)])
def test_a_story_leaves_no_trace_where_there_is_none_and_is_told_from_its_frame_on(
    tmp_path: Path, sampler: str, extra: tuple[str, ...]
) -> None:
    options = (f"sampler={sampler}", "condition=label", *extra)
    run = run_of(tmp_path, *options)
    assert not {"story", "prompts"} & set(meaning(SAMPLES_STAGE.inputs(run)))
    told = run_of(tmp_path, *options, "sampling.story=[[0,3],[1.5,red square orbit]]")
    assert meaning(SAMPLES_STAGE.inputs(told))["story"] == [[0, 3], [6, "red square orbit"]]  # 16 frames a second
    two = sample(heard(told), tmp_path / "two")
    one = sample(heard(run_of(tmp_path, *options, "sampling.story=[[0,3]]")), tmp_path / "one")
    assert sample(run, tmp_path / "none").story == () and one.story == ((0, LABEL_NAMES[3]),)
    assert two.story == two.first(2).story == ((0, LABEL_NAMES[3]), (24, "red square orbit"))
    margin = (two.codes.shape[1] - (run.config.sampled_frames + run.config.sampling.given_frames) // 4) // 2
    same = margin + (6 if sampler == "sliding" else 1)  # the frames of a gap see the key frame behind it
    assert torch.equal(one.codes[:, :same], two.codes[:, :same]) and not torch.equal(one.codes, two.codes)


@pytest.mark.parametrize(
    "options, said",
    [
        (("sampling.story=[[0,3],[2,4],[1,5]]",), "sampling.story=.*1 s stands behind 2 s; allowed: in the order"),
        (("sampling.story=[[1,3]]",), "sampling.story=.*begins at 1 s; allowed: 0"),
        (("sampling.story=[]",), "sampling.story=.*holds nothing; allowed: null"),
        (("sampling.story=[[0,3,4]]",), "sampling.story.0"),
        (("sampling.story=[[0,3]]", "sampler=short"), "sampling.story: the sampler takes no condition that changes"),
    ],
)
def test_a_story_that_is_none_is_one_line(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        run_of(tmp_path, "condition=label", *options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "story, said",
    [
        ("[[0,3],[1,16]]", "sampling.story: 16: no class of the data; allowed: 0 to 15"),
        (
            "[[0,3],[1,red disk orbit]]",
            "sampling.story: 'red disk orbit': no class of the data; did you mean 'red disc",
        ),
        ("[[0,3],[0.1,4],[0.2,5]]", "sampling.story: 0.1 s and 0.2 s begin in the same latent frame"),
    ],
)
def test_what_the_data_do_not_have_is_told_when_the_run_is_planned(story: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        make_plan([*QUICK, "condition=label", f"sampling.story={story}"])
    assert str(error.value).startswith(said)
