"""`python -m tats_exp.evaluate` on folders of videos: the same pixels give the same values, wrong input one line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from data.made_videos import write_array, write_gif, write_images, write_lossless
from runs import tats_exp
from tats_exp import UserError
from tats_exp.data.shapes import Shapes
from tats_exp.data.video_folder import VideoFolder
from tats_exp.evaluate.__main__ import main, run
from tats_exp.evaluate.evaluator import Evaluator
from tats_exp.metrics import ReferenceWindows

QUICK = ("metrics=shapes_cnn", "device=cpu", "metrics.resamples=20")
FRAMES = 40


def worlds(seed: int, videos: int = 8) -> list[np.ndarray]:
    split = Shapes(train_videos=videos, test_videos=1, frames=FRAMES, resolution=16, seed=seed).split("train")
    return [split.read(video, 0, FRAMES) for video in range(videos)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real videos, others of the same world, and those again with noise."""
    root = tmp_path_factory.mktemp("folders")
    for name, videos in {"real": worlds(0, 12), "same": worlds(1), "few": worlds(2, 1)}.items():
        for number, frames in enumerate(videos):
            write_array(root / name / f"{number}.npy", frames)
    noise = np.random.default_rng(0)
    for number, frames in enumerate(worlds(0, 12)):
        noisy = np.clip(frames + noise.normal(0, 60, frames.shape), 0, 255).astype(np.uint8)
        write_array(root / "noisy_real" / f"{number}.npy", noisy)
    for number, frames in enumerate(worlds(1)):
        noisy = np.clip(frames + noise.normal(0, 60, frames.shape), 0, 255).astype(np.uint8)
        write_array(root / "noisy" / f"{number}.npy", noisy)
        write_images(root / "images" / str(number), frames)
        write_lossless(root / "films" / f"{number}.mkv", frames)
    write_array(root / "large" / "0.npy", np.zeros((2, 16, 20, 20, 3), np.uint8))
    write_array(root / "short" / "0.npy", np.zeros((3, 9, 16, 16, 3), np.uint8))
    write_array(root / "nan" / "0.npy", np.full((3, 16, 16, 16, 3), np.nan, np.float32))
    (root / "empty").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "0.mp4").write_text("no video")
    write_array(root / "broken" / "1.npy", np.zeros((2, 16, 16, 16, 3), np.uint8))
    return root


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(out: str) -> dict:
    (path,) = Path(out).glob("*/metrics.json")
    return json.loads(path.read_text())


def test_worse_videos_are_further_and_the_floor_is_nearest(folders: Path) -> None:
    for name in ("same", "noisy"):
        assert main([f"real={folders / 'real'}", f"generated={folders / name}", f"out={name}", *QUICK]) == 0
    same, noisy = found("same"), found("noisy")
    floor = same["floors"]["real"]["fvd/shapes_cnn/to_real"]
    for window in ("window_0", "last"):
        key = f"fvd/shapes_cnn/{window}/to_real"
        assert max(same["values"][key], floor) < noisy["values"][key]
        assert same["values"][key.replace("fvd", "kvd")] < noisy["values"][key.replace("fvd", "kvd")]
    assert same["values"]["drift/motion/last"] < noisy["values"]["drift/motion/last"]
    assert same["protocol"] == noisy["protocol"]
    assert same["protocol"]["resolution"] == "16x16" and same["protocol"]["codec_generated"] == "none"
    assert len((Path("same") / "0_same" / "curves.csv").read_text().splitlines()) == 1 + FRAMES // 16
    assert (Path("same") / "report" / "index.html").is_file()


def test_every_distance_says_to_real_or_to_rebuilt(folders: Path, capsys: pytest.CaptureFixture) -> None:
    names = (f"real={folders / 'real'}", f"generated={folders / 'noisy'}")
    assert main([*names, f"rebuilt={folders / 'noisy_real'}", "out=both", *QUICK]) == 0
    assert main([*names, "out=real", *QUICK]) == 0
    both, real = found("both"), found("real")
    distances = [key for key in both["values"] if key.split("/")[0] in ("fvd", "kvd", "layout", "diversity")]
    assert all(key.endswith(("/to_real", "/to_rebuilt", "/rebuilt", "/extrapolated")) for key in distances)
    assert real["values"].items() <= both["values"].items()
    assert not [key for key in real["values"] if "rebuilt" in key]
    for key in ("fvd/shapes_cnn/last", "layout/window_0"):  # noise is what the rebuilt windows have, too
        assert both["values"][f"{key}/to_rebuilt"] < both["values"][f"{key}/to_real"]
    assert real["protocol"]["reference"] == "real windows" != both["protocol"]["reference"]
    # more rebuilt than real windows: as many are taken
    more = [f"real={folders / 'same'}", f"generated={folders / 'noisy'}", f"rebuilt={folders / 'noisy_real'}"]
    assert main([*more, "out=more", *QUICK]) == 0
    stored = Path("runs/store/evaluate_reference").glob("*/reference.safetensors")
    newest = sorted(stored, key=lambda path: path.stat().st_mtime)[-2:]
    counts = {(one.reference_count, one.count) for one in map(ReferenceWindows.load, newest)}
    assert counts == {(found("more")["protocol"]["n_real"], found("more")["protocol"]["n_generated"])}
    few = f"rebuilt={folders / 'same'}"
    assert main([*names, few, "out=few", *QUICK]) == 2
    assert "as many as of real ones are needed" in capsys.readouterr().err


@pytest.mark.parametrize("form, codec", [("images", "none"), ("films", "h264")])
def test_the_same_pixels_give_the_same_values_whatever_they_are_stored_in(folders: Path, form: str, codec: str) -> None:
    for name in ("same", form):
        assert main([f"real={folders / 'real'}", f"generated={folders / name}", f"out={name}", *QUICK]) == 0
    assert found(form)["values"] == found("same")["values"]
    assert found(form)["protocol"]["codec_generated"] == codec
    assert any("h264" in note for note in found(form)["notes"]) == (codec == "h264")


def test_real_videos_are_looked_at_once(folders: Path, capsys: pytest.CaptureFixture) -> None:
    both = f"generated=[{folders / 'same'},{folders / 'noisy'}]"
    assert main([f"real={folders / 'real'}", both, "out=both", *QUICK]) == 0
    assert len(list(Path("runs/store/evaluate_reference").glob("*/reference.safetensors"))) == 1
    printed = capsys.readouterr().out
    assert "same" in printed and "noisy" in printed and "floor: real vs other real" in printed


def test_a_folder_may_have_the_longest_name_there_is(folders: Path, tmp_path: Path) -> None:
    (tmp_path / ("g" * 255)).symlink_to(folders / "same")
    assert main([f"real={folders / 'real'}", f"generated={tmp_path / ('g' * 255)}", "out=long", *QUICK]) == 0
    assert found("long")["values"]


def test_folders_that_were_not_measured_alike_get_a_table_each(folders: Path, capsys: pytest.CaptureFixture) -> None:
    both = f"generated=[{folders / 'same'},{folders / 'films'}]"
    assert main([f"real={folders / 'real'}", both, "out=both", *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "What differs: codec of generated videos (codec_generated)" in printed
    assert "Table 1 of 2: codec of generated videos none" in printed
    assert "Table 2 of 2: codec of generated videos h264" in printed
    assert printed.count("index.html") == 1
    assert {path.parent.name for path in Path("both/report").glob("*/table.csv")} == {"protocol_1", "protocol_2"}


def test_what_turns_out_bad_while_reading_is_told_at_the_end_and_the_others_are_measured(
    folders: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = VideoFolder.read

    def damaged(self: VideoFolder, video: int, start: int, frames: int) -> np.ndarray:
        if self.root.name in ("noisy", "images") and start > 0:
            raise UserError(f"{self.root.name}/{self.names[video]}: damaged from frame 16 on")
        return read(self, video, start, frames)

    monkeypatch.setattr(VideoFolder, "read", damaged)
    names = [str(folders / name) for name in ("noisy", "same", "images")]
    assert main([f"real={folders / 'real'}", f"generated=[{','.join(names)}]", "out=out", *QUICK]) == 2
    captured = capsys.readouterr()
    assert "index.html" in captured.out and captured.out.count("not counted") == 2
    (line,) = [line for line in captured.err.splitlines() if line.startswith("tats_exp.evaluate")]
    assert "2 things are wrong" in line and line.count("damaged from frame 16 on") == 2
    states = {path.parent.name: json.loads(path.read_text())["state"] for path in Path("out").glob("*/status.json")}
    assert states == {"0_noisy": "failed", "1_same": "finished", "2_images": "failed"}
    assert found("out")["values"]["fvd/shapes_cnn/last/to_real"] > 0  # of the one that is left


def test_a_mistake_of_ours_keeps_what_was_measured_before_it(
    folders: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Evaluator.evaluate

    def fails_later(self: Evaluator, folder: str, out: Path) -> None:
        if out.name.startswith("1_"):
            raise RuntimeError("a bug")
        measure(self, folder, out)

    monkeypatch.setattr(Evaluator, "evaluate", fails_later)
    both = f"generated=[{folders / 'same'},{folders / 'noisy'}]"
    with pytest.raises(RuntimeError, match="a bug"):
        run([f"real={folders / 'real'}", both, "out=both", *QUICK])
    assert "index.html" in capsys.readouterr().out


def test_all_that_is_wrong_with_all_folders_is_one_line_before_anything_is_measured(
    folders: Path, capsys: pytest.CaptureFixture
) -> None:
    names = ("same", "broken", "short", "large", "few", "empty", "no")
    generated = ",".join(str(folders / name) for name in names)
    assert main([f"real={folders / 'real'}", f"generated=[{generated}]", "out=out", *QUICK]) == 2
    captured = capsys.readouterr()
    line = captured.err.strip().splitlines()[-1]
    # "broken" has a file that cannot be read; what opens all the same is held against the real videos, too.
    assert line.startswith("tats_exp.evaluate: 6 things are wrong: ") and line.endswith("; and 2 more")
    assert captured.out == "" and not Path("out").exists() and not Path("runs").exists()


def test_real_and_generated_are_told_together(folders: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([f"real={folders / 'empty'}", f"generated={folders / 'no'}", "out=out", *QUICK]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "2 things are wrong: real: " in line and "; generated: " in line


def test_folders_that_cannot_stand_in_one_table_are_told_first(folders: Path, capsys: pytest.CaptureFixture) -> None:
    both = f"generated=[{folders / 'same'},{folders / 'real'}]"
    assert main([f"real={folders / 'real'}", both, "out=both", *QUICK]) == 0
    assert "not measured alike" in capsys.readouterr().out.splitlines()[0]


def test_repeats_and_all_windows_follow_the_preset(folders: Path) -> None:
    options = ("metrics.repeats=2", "metrics.videos=4", "metrics.windows=ends", "metrics.reference_videos=6")
    assert main([f"real={folders / 'real'}", f"generated={folders / 'same'}", "out=out", *QUICK, *options]) == 0
    values, protocol = found("out")["values"], found("out")["protocol"]
    assert values["fvd/shapes_cnn/last/std/to_real"] > 0
    assert (protocol["repeats"], protocol["n_generated"], protocol["n_real"]) == (2, 4, 6)


@pytest.mark.parametrize(
    "real, generated, options, said",
    [
        ("real", "no/such/folder", (), "generated: "),
        ("empty", "same", (), "real: "),
        ("real", "large", (), "frames of real are 16x16, of generated 20x20: resolution=N"),
        ("real", "short", (), "9 frames"),
        ("real", "few", (), "generated: 1 videos"),
        ("few", "same", (), "at least 4 are needed"),
        ("real", "nan", (), "nan"),
        ("real", "broken", (), "0.mp4"),
        ("real", "same", ("metrics.repeats=2",), "8 videos"),
        ("real", "same", ("device=cuda",), "device=cuda"),
        ("real", "same", ("generated=[]",), "generated"),
        ("real", "same", ("metrics.resamples=1",), "metrics.resamples=1"),
        ("real", "same", ("out=12",), "is written ./NAME"),
        (
            "real",
            "same",
            ("metrics.classifier={_target_: torch.nn.Identity}",),
            "metrics.classifier._target_=torch.nn.Identity: no VideoClassifier",
        ),
        ("real", "same", ("metrics.vidoes=4",), "metrics.vidoes: unknown key; did you mean 'videos'?"),
        ("real", "same", ("frames=1",), "frames=1"),
        ("real", "same", ("metrics=fid",), "metrics=fid: no such option"),
        ("real", "same", ("metrics.network.colour=1",), "metrics.network.colour: unknown key"),
    ],
)
def test_wrong_input_is_one_line(
    folders: Path, capsys: pytest.CaptureFixture, real: str, generated: str, options: tuple[str, ...], said: str
) -> None:
    arguments = [f"real={folders / real}", f"generated={folders / generated}", "out=out", *QUICK, *options]
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("tats_exp.evaluate: ") and said in error
    assert not Path("out").exists()


def test_a_missing_folder_is_named_by_its_key(capsys: pytest.CaptureFixture) -> None:
    assert main(["generated=there", *QUICK]) == 2
    assert "real" in capsys.readouterr().err


@pytest.mark.slow
def test_without_weights_one_line_says_how_to_get_them(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TATS_EXP_CACHE", str(tmp_path / "nothing"))
    command = (f"real={folders / 'real'}", f"generated={folders / 'same'}")
    for module, arguments in (("tats_exp.evaluate", command), ("tats_exp", ("metrics=i3d", "scale=smoke"))):
        result = tats_exp(tmp_path, *arguments, module=module)
        assert result.returncode == 2
        assert "python -m tats_exp.features.weights i3d" in result.stderr
        assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_another_classifier_is_asked_for_opinions_and_named(folders: Path, tmp_path: Path) -> None:
    class Brightness(torch.nn.Module):
        def forward(self, video: torch.Tensor) -> torch.Tensor:
            mean = video.mean(dim=(1, 2, 3, 4))
            return torch.stack([mean, -mean], dim=1)

    torch.jit.script(Brightness()).save(str(tmp_path / "c3d.pt"))
    classifier = (
        "{_target_: tats_exp.features.torchscript.TorchScriptClassifier, "
        f"path: {tmp_path}/c3d.pt, name: c3d, size: 8, value_range: [-0.5, 0.5], "
        "trust_torchscript: true}"
    )
    options = (*QUICK, f"metrics.classifier={classifier}")
    assert main([f"real={folders / 'real'}", f"generated={folders / 'same'}", "out=out", *options]) == 0
    values = found("out")["values"]
    assert values["ccs/c3d/last"] == 1 and 1 <= values["is/c3d/window_0"] <= 2
    assert "fvd/shapes_cnn/last/to_real" in values and not [key for key in values if key.startswith("is/shapes_cnn")]
    assert found("out")["protocol"]["classifier"].startswith("c3d ")


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main([f"real={folders / 'real'}", f"generated={folders / 'same'}", "out=file/out", *QUICK]) == 2
    assert "file" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not Path("runs").exists()


def test_a_second_evaluation_does_not_mix_with_the_first(folders: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [f"real={folders / 'real'}", f"generated={folders / 'same'}", "out=out", *QUICK]
    assert main(arguments) == 0 and main(arguments) == 2
    assert "out=out: holds an evaluation already" in capsys.readouterr().err


def test_what_a_reader_must_know_of_the_videos_is_noted(folders: Path) -> None:
    for number, frames in enumerate(worlds(1, 6)):
        write_array(folders / "uneven" / f"{number}.npy", frames[:17] if number == 3 else frames)
        write_gif(folders / "gifs" / f"{number}.gif", frames, [40] * (FRAMES - 1) + [400])
    for name in ("uneven", "gifs"):
        assert main([f"real={folders / 'real'}", f"generated={folders / name}", f"out={name}", *QUICK]) == 0
    assert any("3.npy ends: it has 17 frames, the longest has 40" in note for note in found("uneven")["notes"])
    assert found("uneven")["protocol"]["windows"] == 1
    assert any("6 generated GIFs end in a picture" in note for note in found("gifs")["notes"])


def test_memorisation_compares_within_a_repeat(folders: Path) -> None:
    options = ("metrics.videos=4", "metrics.reference_videos=6")
    for out, repeats in (("once", 1), ("twice", 2)):
        arguments = [f"real={folders / 'real'}", f"generated={folders / 'same'}", f"out={out}", *QUICK, *options]
        assert main([*arguments, f"metrics.repeats={repeats}"]) == 0
    one, two = (found(out)["values"]["memorisation/nearest_other_real"] for out in ("once", "twice"))
    assert two > one / 2  # windows of another repeat's draw may be the same frames


MINE = """
from tats_exp.metrics import Findings, Measure, Measurement
from tats_exp.run_folder import Column


class Stillness(Measure):
    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    @property
    def columns(self) -> tuple[Column, ...]:
        value = Column(
            "mine/stillness/last", ("still", "last"), "Mine.", "apples", "lower", "stillness", True, figure="stillness"
        )
        return value, Column("mine/stillness", ("Stillness", ""), "Mine, window by window.", "apples", is_curve=True)

    def __call__(self, findings: Findings) -> Measurement:
        curve = [self.scale / float(window.motion.mean()) for window in findings.windows]
        floors = {"real": {"mine/stillness": 0.5}}
        return Measurement({"mine/stillness/last": curve[-1]}, {"mine/stillness": curve}, floors)
"""


def test_a_measure_of_a_users_package_is_reported_like_ours(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_measures.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    both = f"generated=[{folders / 'same'},{folders / 'noisy'}]"
    mine = "+metrics.measures.mine={_target_: my_measures.Stillness, scale: 2.0}"
    assert main([f"real={folders / 'real'}", both, "out=out", *QUICK, mine]) == 0
    with Path("out/report/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["mine/stillness/last"]) > float(rows[1]["mine/stillness/last"]) > 0
    assert next(row for row in rows if row["kind"] == "floor")["mine/stillness/last"] == "0.5"
    assert Path("out/report/figures/stillness.png").is_file()
    assert "stillness" in Path("out/report/index.html").read_text()


def test_a_measure_is_checked_before_anything_is_measured(folders: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [f"real={folders / 'real'}", f"generated={folders / 'same'}", "out=out", *QUICK]
    for mine, said in (
        (
            "{_target_: tats_exp.features.ShapesCNN}",
            "metrics.measures.mine._target_=tats_exp.features.ShapesCNN: no Measure",
        ),
        ("{_target_: tats_exp.metrics.measures.Joints, size: 1}", "metrics.measures.mine.size: unknown key"),
        ("{_target_: no.such}", "metrics.measures.mine._target_: cannot import 'no.such'"),
    ):
        assert main([*arguments, f"+metrics.measures.mine={mine}"]) == 2
        assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert not Path("out").exists()
