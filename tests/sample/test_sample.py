"""One video from a run: what `load_run(DIR).sample` gives, written while it is made; wrong input is one line."""

import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tats_exp import UserError, load_run
from tats_exp.config.command import read_config
from tats_exp.data.audio import read_audio
from tats_exp.data.decoder import read_video
from tats_exp.data.shapes import Shapes
from tats_exp.data.video_writer import VideoWriter
from tats_exp.data.windows import Window
from tats_exp.files import read_tensors, save_tensors
from tats_exp.run.beginnings import Asked
from tats_exp.run.load_run import LoadedRun
from tats_exp.sample.__main__ import main
from tats_exp.sample.config import SampleConfig, as_typed, read_story
from tats_exp.sample.given import read_given
from tats_exp.sample.streaming import stream
from tats_exp.sampling import Moving
from tats_exp.sampling.decoding import _reach
from tats_exp.stages.trained import MODEL
from tests.run.test_load_run import finished

STORY = [(0.0, "red disc bounce"), (1.1, "blue disc orbit"), (2.0, 2)]


def streamed(run: LoadedRun, frames: int | None, stop_after: int = 0, **asked: object) -> tuple[torch.Tensor, int]:
    """What the command writes, and the most latent frames that its decoder held."""
    vqgan, written, held, stop = run.vqgan(), [], [], threading.Event()
    sampler = run.sampler(vqgan)
    seed = asked.pop("seed", 0)
    beginning = run.beginning(sampler, 1, frames, Asked(**asked), seed)
    make, decoders = sampler.decoder, []
    sampler.decoder = lambda *how: decoders.append(make(*how)) or decoders[0]

    def write(pixels: NDArray[np.uint8]) -> None:
        written.append(torch.from_numpy(pixels))
        held.append(decoders[0].held)
        if stop_after and sum(map(len, written)) >= stop_after:
            stop.set()

    stream(sampler, beginning, frames, write, stop, run.device)
    return torch.cat(written), max(held)


@pytest.mark.parametrize(
    "options",
    [
        ("sampler=sliding",),
        ("sampler=sliding", "padding=real"),
        ("sampler=sliding", "padding=loop"),
        ("sampler=sliding", "norm=group"),
        ("sampler=hierarchical", "condition=label"),
        ("sampler=hierarchical", "condition=text", "sampler.guidance=2.0"),
        ("sampler=sliding", "condition=text", "sampler.guidance=2.0"),
    ],
    ids=" ".join,
)
def test_what_is_streamed_is_what_the_run_samples(tmp_path: Path, options: tuple[str, ...]) -> None:
    run = load_run(finished(tmp_path, "sampling.decode_chunk=4", *options))
    assert torch.equal(streamed(run, 90, seed=5)[0], run.sample(1, 90, seed=5)[0])


def test_a_short_run_and_a_number_of_frames_that_is_no_multiple(tmp_path: Path) -> None:
    run = load_run(finished(tmp_path, "sampler=short", "padding=real"))
    assert torch.equal(streamed(run, 13, seed=5)[0], run.sample(1, 13, seed=5)[0])
    with pytest.raises(UserError, match="frames at most 16: the sampler makes one window"):
        run.sampler(run.vqgan()).check(17)


@pytest.mark.parametrize("options", [(), ("padding=real",), ("padding=zero", "condition=label")], ids=" ".join)
def test_without_an_end_a_video_begins_as_a_long_one_does_and_memory_stays(tmp_path: Path, options) -> None:
    run = load_run(finished(tmp_path, "sampling.decode_chunk=4", *options))
    endless, held = streamed(run, None, stop_after=240, seed=5)
    assert len(endless) == 240  # whole pieces: what hangs on an end is left out
    reach = _reach(run.vqgan()) + 2 * run.vqgan().code_margin
    assert torch.equal(run.sample(1, 240 + 16 + 4 * reach, seed=5)[0, :240], endless)
    longer, held_longer = streamed(run, None, stop_after=480, seed=5)
    assert torch.equal(longer[:240], endless) and held_longer == held <= 4 + 4 + 2 * reach
    assert streamed(run, 480, seed=5)[1] <= 4 + 4 + 2 * reach


@pytest.mark.parametrize(
    "options, said",
    [
        (("sampler=hierarchical",), "samples with Hierarchical"),
        (("padding=loop",), "padding=loop, norm=group"),
        (("norm=group",), "padding=loop, norm=group"),
    ],
)
def test_what_cannot_go_on_without_an_end_is_refused(tmp_path: Path, options, said: str) -> None:
    run = load_run(finished(tmp_path, *options))
    with pytest.raises(UserError, match=f"^frames=inf: .*{said}.*; allowed: a number$"):
        run.sampler(run.vqgan()).check(None)


@pytest.mark.parametrize("options", [(), ("sampler=hierarchical",), ("padding=real",)], ids=" ".join)
def test_a_story_is_streamed_too(tmp_path: Path, options: tuple[str, ...]) -> None:
    run = load_run(finished(tmp_path, "condition=label", "data.frames=128", *options))
    given = torch.from_numpy(np.stack([Shapes(1, 1, 16, 16, 0).split("train").read(0, 0, 8)]))
    for more in ({}, {"given": given}):
        asked = {"story": STORY[:1] + [(second, "0") for second, _ in STORY[1:]], **more}
        whole = run.sample(1, 60, seed=5, **asked)[0]
        assert torch.equal(streamed(run, 60, seed=5, **asked)[0], whole) and len(whole) == 60 + 8 * len(more)


def test_a_story_with_one_entry_is_a_condition_and_a_change_leaves_what_was_before(tmp_path: Path) -> None:
    run = load_run(finished(tmp_path, "condition=text"))
    path = tmp_path / "store" / "transformer" / "key" / MODEL
    weights = read_tensors(path)  # fresh ones hardly mind the condition
    save_tensors(path, {name: 8 * value if value.ndim == 2 else value for name, value in weights.items()})
    vqgan, red, blue = run.vqgan(), "a red disc bounces", "a blue square orbits"
    plain, _ = run.sample_codes(vqgan, 1, 64, Asked([red]), seed=5)
    assert torch.equal(run.sample_codes(vqgan, 1, 64, Asked(story=[(0, red)]), seed=5)[0], plain)
    changed, _ = run.sample_codes(vqgan, 1, 64, Asked(story=[(0.0, red), (2.0, blue)]), seed=5)
    assert torch.equal(changed[:, :8], plain[:, :8])  # 16 frames a second, four of them a latent frame
    assert not torch.equal(changed[:, 8:], plain[:, 8:])
    assert not torch.equal(run.sample_codes(vqgan, 1, 64, Asked([blue]), seed=5)[0], plain)


def beeps(path: Path, every: float, seconds: float, rate: int = 44_100, channels: int = 2) -> Path:
    """A file of short tones."""
    times = np.arange(round(seconds * rate)) / rate
    tone = (20_000 * np.sin(2 * np.pi * 330 * times) * np.exp(-(times % every) / 0.1)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone.repeat(channels).tobytes())
    return path


@pytest.mark.parametrize("options", [(), ("sampler=hierarchical",), ("padding=real",)], ids=" ".join)
def test_a_video_follows_the_sound_of_a_file(tmp_path: Path, options: tuple[str, ...]) -> None:
    """What comes later in the file, and whether it is in stereo, changes nothing; behind its end there is silence."""
    run = load_run(finished(tmp_path, "condition=audio", "data.frames=128", *options))
    vqgan = run.vqgan()
    short, long = beeps(tmp_path / "a.wav", 0.5, 3.0), beeps(tmp_path / "b.wav", 0.5, 9.0, channels=1)
    one, _ = run.sample_codes(vqgan, 2, 64, Asked(audio=short), seed=5)
    assert torch.equal(run.sample_codes(vqgan, 1, 64, Asked(audio=str(short)), seed=5)[0], one[:1])
    asked = [run.beginning(run.sampler(vqgan), 1, 64, Asked(audio=file), 5).condition for file in (short, long)]
    assert all(isinstance(condition, Moving) for condition in asked)
    heard, longer = (condition.codes for condition in asked)
    margin = run.sampler(vqgan).margin
    latents = heard.shape[1] - 2 * margin
    window = run.context.condition.latents
    inside = margin + 12 - window + 1  # 3 s are 12 latent frames
    assert latents == 16 and torch.equal(heard[:, margin:inside], longer[:, margin:inside])
    assert not torch.equal(heard, longer)
    assert torch.equal(streamed(run, 64, seed=5, audio=short)[0], run.sample(1, 64, seed=5, audio=short)[0])


def test_the_command_lays_the_sound_of_the_file_under_the_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished(tmp_path, "condition=audio", "data.frames=128")
    file, out = beeps(tmp_path / "my (1).wav", 0.61, 3.0), tmp_path / "heard.mp4"
    assert main([f"run={run}", f"out={out}", "frames=64", f"audio={file}"]) == 0
    assert "64 frames" in capsys.readouterr().out
    heard, given = read_audio(out, 0.0, 3.0), read_audio(file, 0.0, 3.0)
    assert np.corrcoef(heard, given)[0, 1] > 0.98
    assert np.abs(read_audio(out, 3.2, 0.7)).max() < 0.01 and len(read_video(out)) == 64  # behind its end: silence
    assert main([f"run={run}", f"out={out}", "frames=64", "seed=3"]) == 0  # without a file: that of a video of the data
    said = capsys.readouterr().out
    videos, name = load_run(run).context.test, said.partition("sound of ")[2].partition(";")[0]
    wanted = videos.audio(videos.names.index(name), 0, 48)
    assert np.corrcoef(read_audio(out, 0.0, 3.0), wanted)[0, 1] > 0.98


def test_sound_is_refused_where_it_cannot_be_heard(tmp_path: Path) -> None:
    run = load_run(finished(tmp_path, "condition=audio", "data.frames=128"))
    vqgan, file = run.vqgan(), beeps(tmp_path / "a.wav", 0.5, 1.0)
    silent, words = tmp_path / "silent.mp4", tmp_path / "words.wav"
    with VideoWriter(silent, 8) as writer:
        writer.write(np.zeros((8, 16, 16, 3), np.uint8))
    words.write_text("no sound")
    for asked, said in (
        ({"audio": tmp_path / "nope.wav"}, "audio=.*nope.wav: no such file"),
        ({"audio": silent}, "silent.mp4: holds no sound"),
        ({"audio": words}, "words.wav: its sound cannot be decoded"),
        ({"audio": file, "condition": [0]}, "condition and audio: .* allowed: one of them"),
        ({"story": [(0, "a drum")]}, "the run was trained with sound; allowed: the sound of a file"),
        ({"condition": ["a drum"]}, "no held-out window has class a drum"),
    ):
        with pytest.raises(UserError, match=said):
            run.sample_codes(vqgan, 1, 16, Asked(**asked))
    with pytest.raises(UserError, match="frames=inf: the sound of a video has an end"):
        run.beginning(run.sampler(vqgan), 1, None, Asked(audio=file))
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="audio: the run was not trained with sound; allowed: condition=audio"):
        load_run(finished(tmp_path / "other")).sample(1, 16, audio=file)


def test_what_the_margin_hears_comes_before_what_is_shown(tmp_path: Path) -> None:
    """Videos of a decoder that wants true neighbours begin as far into the real one as these are long."""
    run = load_run(finished(tmp_path, "condition=audio", "data.frames=128", "padding=real"))
    sampler = run.sampler(run.vqgan())
    (videos, place), *_ = (beginning := run.beginning(sampler, 2, 64, seed=5)).heard
    assert sampler.margin > 0 and place.start == 4 * sampler.margin and isinstance(beginning.condition, Moving)
    condition, made = run.context.condition, {"audio_vqgan": tmp_path / "store" / "audio_vqgan" / "key"}
    for latent in (0, sampler.margin, 9):
        there = Window(place.video, place.start + 4 * (latent - sampler.margin))
        assert torch.equal(beginning.condition.codes[0, latent], condition.codes(videos, [there], made)[0])


@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
def test_a_story_counts_from_the_first_frame_that_is_shown(tmp_path: Path, sampler: str) -> None:
    run = load_run(finished(tmp_path, "condition=label", "data.frames=128", "padding=real", f"sampler={sampler}"))
    path = tmp_path / "store" / "transformer" / "key" / MODEL
    weights = read_tensors(path)
    save_tensors(path, {name: 8 * value if value.ndim == 2 else value for name, value in weights.items()})
    vqgan = run.vqgan()
    margin, every = run.sampler(vqgan).margin, 1 if sampler == "sliding" else 4
    plain, _ = run.sample_codes(vqgan, 1, 64, Asked(story=[(0, "0")]), seed=5)
    changed, _ = run.sample_codes(vqgan, 1, 64, Asked(story=[(0, "0"), (2.0, "1")]), seed=5)
    first = int((plain != changed).flatten(2).any(dim=2)[0].nonzero()[0])
    assert margin > 0 and margin + 8 - every < first <= margin + 8 + every  # 2 s are 8 latent frames


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("run"), "condition=label")


def sampled(run: Path, out: Path, frames: int | str = 20, *more: str) -> int:
    return main([f"run={run}", f"out={out}", f"frames={frames}", "device=cpu", *more])


def test_the_file_holds_the_frames(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.mp4"
    assert sampled(run_folder, out, 21, "seed=4", "label=green disc bounce") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out}, to be played at 16 frames a second: 21 frames, 21 of them sampled, in ")
    assert "frames per second, sampling (" in said and ") and decoding (" in said
    wanted = load_run(run_folder).sample(1, 21, [2], seed=4)[0].numpy()
    found = read_video(out)
    scale = found.shape[1] // wanted.shape[1]
    assert len(found) == 21 and np.abs(found[:, ::scale, ::scale].astype(int) - wanted).mean() < 12
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == 16


def test_given_frames_come_first_and_nothing_behind_them_is_looked_at(run_folder: Path, tmp_path: Path) -> None:
    world = Shapes(4, 1, 40, 24, 0).split("train").read(0, 0, 40)
    np.save(tmp_path / "a.npy", world)
    world[20:] = 0
    np.save(tmp_path / "b.npy", world)
    run = load_run(run_folder)
    given = [read_given(run.config, str(tmp_path / f"{name}.npy"), 8, 12) for name in "ab"]
    assert torch.equal(*given) and given[0].shape == (8, 16, 16, 3)
    asked = (f"given={tmp_path / 'a.npy'}", "given_frames=8", "given_start=12", "label=1")
    assert sampled(run_folder, tmp_path / "a.mp4", 20, *asked) == 0
    wanted = run.sample(1, 20, [1], given=given[0][None])[0].numpy()
    found = read_video(tmp_path / "a.mp4")[:, ::6, ::6]
    assert len(found) == len(wanted) == 28 and np.abs(found.astype(int) - wanted).mean() < 12
    assert sampled(run_folder, tmp_path / "c.mp4", 20, f"given={tmp_path / 'a.npy'}", "label=1") == 0
    assert len(read_video(tmp_path / "c.mp4")) == 36  # as many as a clip has


def test_given_frames_of_a_video_of_the_data_are_those_of_the_data(tmp_path: Path) -> None:
    """What is continued is the beginning that prediction in a run has, up to what its encoder sees behind it."""
    run = load_run(finished(tmp_path, "padding=zero"))
    clip = torch.from_numpy(Shapes(4, 1, 16, 16, 0).split("train").read(0, 0, 16))[None]
    vqgan = run.vqgan()
    codes, _ = run.sample_codes(vqgan, 1, 16, Asked(given=clip))
    with torch.no_grad():
        wanted = vqgan.encode(clip.permute(0, 4, 1, 2, 3).float() / 255 - 0.5)
    assert torch.equal(codes[:, :4], wanted) and codes.shape[1] == 8


def bad_inputs() -> Iterator[tuple[str, str]]:
    yield "frames=0", "frames=0: allowed: 1 or more, or inf"
    yield "frames=many", "frames=many: allowed: 1 or more, or inf"
    yield "frames=1.5", "frames=1.5: allowed: 1 or more, or inf"
    yield "label=1.5", "label: '1.5': no class of the data; allowed: 0 to 15"
    yield "given_frames=8", "given_frames: of no video; allowed with given=VIDEO"
    yield "given_start=8", "given_start: of no video; allowed with given=VIDEO"
    yield "audio=a.wav", "audio: the run was not trained with sound; allowed: condition=audio"
    yield "audio=a.wav text=red", "text and audio: a video is asked for one of them"
    yield "out=a.avi", "out=a.avi: allowed: a file that ends with .mp4"
    yield "out=nowhere/a.mp4", "out=nowhere/a.mp4: there is no folder nowhere"
    yield "run=nowhere", "run: nowhere: no run folder"
    yield "text=red, big", "text: the run was not trained with texts, but with condition Label"
    yield "label=red disk bounce", "label: 'red disk bounce': no class of the data; did you mean 'red disc bounce'"
    yield "label=16", "label: 16: no class of the data; allowed: 0 to 15"
    yield "label=3", "condition: no training window has class 3; allowed: 0, 1, 2"
    yield "given=gone.mp4", "given=gone.mp4: no such file or folder"
    yield "given=few.npy", "given=few.npy: has 9 frames; 16 from frame 0 on need 16"
    yield "given=few.npy given_start=4 given_frames=8", "given=few.npy: has 9 frames; 8 from frame 4 on need 12"
    yield "given=few.npy given_frames=6", "given_frames=6: allowed: a multiple of 4, at most 16"
    yield "given=few.npy given_frames=20", "given_frames=20: allowed: a multiple of 4, at most 16"
    yield "given=broken.mp4", "given=broken.mp4: "
    yield "label=1 story=late.yaml", "label and story: a video is asked for one of them"
    yield "story=gone.yaml", "story=gone.yaml: No such file or directory"
    yield "story=late.yaml", "story=late.yaml: begins at 1 s; allowed: 0"
    yield "story=mixed.yaml", "story=mixed.yaml: 1 s stands behind 2 s; allowed: in the order of time"
    yield "story=text.yaml", "story=text.yaml: "
    yield "story=single.yaml", "story=single.yaml: entry 1: 1; allowed: a list of [SECOND, PROMPT]"
    yield "story=fast.yaml", "story: 0.01 s and 0.02 s begin in the same latent frame, which lasts 0.25 s"
    yield "story=unknown.yaml", "story: 'a green dog': no class of the data"
    yield "story=endless.yaml", "story=endless.yaml: "
    yield "story=behind.yaml", "story: 9 s is behind the end of the video"


@pytest.mark.parametrize("given, said", bad_inputs())
def test_bad_input_is_one_line(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("few.npy", np.zeros((9, 16, 16, 3), np.uint8))
    Path("broken.mp4").write_text("no video")
    stories = {
        "late": "[[1, 0]]",
        "mixed": "[[0, 0], [2, 1], [1, 0]]",
        "text": "once upon a time: [",
        "single": "[[0, 1], 1]",
        "fast": "[[0, 1], [0.01, 2], [0.02, 1]]",
        "unknown": "[[0, 1], [2, a green dog]]",
        "endless": "[[0, 1], [.inf, 2]]",
        "behind": "[[0, 1], [9, 2]]",
    }
    for name, content in stories.items():
        Path(f"{name}.yaml").write_text(content)
    keys = {"run": str(run_folder), "out": "a.mp4", "frames": "20", "device": "cpu"}
    wrong = given.split(" ") if "=" in given.split(" ")[-1] else [given]
    keys |= dict(line.split("=", 1) for line in wrong)
    assert main([f"{key}={value}" for key, value in keys.items()]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"tats_exp.sample: {said}"), lines
    assert not Path("a.mp4").exists() and not list(tmp_path.glob("*.partial"))


def test_conditions_and_samplers_that_cannot_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "story.yaml").write_text("[[0, a red disc], [1, a blue disc]]")
    story, out = f"story={tmp_path / 'story.yaml'}", tmp_path / "a.mp4"
    for name, options, more, said in (
        ("none", (), ["label=1"], "label: the run was trained with condition Unconditional"),
        ("none2", (), [story], "story: 'a red disc': the run has no condition that can be asked for"),
        ("short", ("sampler=short", "condition=text"), [story], "story: the sampler takes no condition that changes"),
        ("short2", ("sampler=short",), ["given=x.npy", "given_frames=8"], "given: the sampler makes one window"),
        ("text", ("condition=text",), ["text=' '"], "condition: ' ': allowed with condition=text: a text that is not"),
    ):
        (tmp_path / name).mkdir()
        run = finished(tmp_path / name, *options)
        assert sampled(run, out, 16, *more) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith(f"tats_exp.sample: {said}"), lines


def test_texts_are_taken_as_they_are_typed(tmp_path: Path) -> None:
    for text in ("'tis a disc", '"red" disc', "'red' and 'blue'", "'", '"', "it's", r"a \' b"):
        read = read_config("sample", ["run=x", "out=y", "frames=1", as_typed(f"text={text}")], SampleConfig)
        assert read.text == text
    assert [as_typed(line) for line in ("text=a red, big disc", "text=null", "text='a'", "frames=Inf", "seed=1")] == [
        *("text='a red, big disc'", "text=null", "text='a'", "frames='Inf'", "seed=1")
    ]
    given = read_config(
        "sample", ["run=x", "out=y", "frames=1", as_typed("text=a ${oc.env:HOME} 'disc'")], SampleConfig
    )
    assert given.text == "a ${oc.env:HOME} 'disc'"
    (tmp_path / "story.yaml").write_text('- [0, "a ${red}, big disc"]\n- [1.5, 3]\n')
    assert read_story(str(tmp_path / "story.yaml")) == [(0.0, "a ${red}, big disc"), (1.5, 3)]


def start_endless(run: Path, out: Path) -> subprocess.Popen[str]:
    arguments = [f"run={run}", f"out={out}", "frames=inf", "seed=5", "device=cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tats_exp.sample", *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 300
    while not out.is_file() or out.stat().st_size < 20_000:  # some seconds of video
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_a_video_without_an_end_plays_after_it_was_killed(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed.mp4"
    process = start_endless(run_folder, out)
    process.kill()
    process.communicate()
    with av.open(str(out)) as container:
        killed = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(killed) >= 16


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_video_is_whole(run_folder: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "stopped.mp4"
    process = start_endless(run_folder, out)
    process.send_signal(number)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and "frames per second, sampling (" in said
    video = read_video(out)
    assert f": {len(video)} frames, {len(video)} of them sampled" in said and len(video) % 64 == 0
