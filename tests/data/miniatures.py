"""The data sets of the paper, small: the same folders, names and lists, with videos of the embedded world."""

import json
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tats_exp.data.shapes import Shapes
from tats_exp.data.video_writer import VideoWriter
from tests.data.made_videos import write_images, write_video

RESOLUTION, LENGTH = 16, 96


def video(number: int, frames: int = LENGTH) -> np.ndarray:
    """A video that no other number has."""
    return Shapes(number + 1, 1, frames, RESOLUTION, seed=0).split("train").read(number, 0, frames)


def write_mp4(path: Path, number: int, frames: int = LENGTH) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps=16) as writer:
        writer.write(video(number, frames))


def tone(seconds: float, rate: int, pitch: float = 440.0) -> np.ndarray:
    """A sine of half the full swing, int16."""
    return np.round(16383 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write (S,) or (S, channels) int16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def write_sounding_mp4(path: Path, frames: np.ndarray, samples: np.ndarray, rate: int, fps: int = 16) -> None:
    """Video and sound in one file, the sound without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=fps)
        picture.height, picture.width = frames.shape[1:3]
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("flac" if path.suffix == ".mkv" else "aac", rate=rate, layout="mono")
        for frame in frames:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(picture.encode(None))
        for start in range(0, len(samples), 1024):
            piece = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = rate, start, Fraction(1, rate)
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))


def write_ucf101(root: Path, classes: tuple[str, ...] = ("Archery", "HandstandPushups")) -> Path:
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for label, name in enumerate(classes, start=1):
        for number in range(3):
            split = "test" if number == 0 else "train"
            file = f"v_{name.replace('Handstand', 'HandStand')}_g{number + 1:02d}_c01.avi"
            path = root / "UCF-101" / name / file
            write_video(path, "mpeg4", video(10 * label + number))
            lists[split].append(f"{name}/{file}" + (f" {label}" if split == "train" else ""))
    folder = root / "ucfTrainTestlist"
    folder.mkdir()
    (folder / "classInd.txt").write_text("".join(f"{n} {name}\r\n" for n, name in enumerate(classes, start=1)))
    for split, lines in lists.items():
        (folder / f"{split}list01.txt").write_text("\n".join(lines) + "\n")
    return root


def write_sky(root: Path) -> Path:
    for number, place in enumerate(("sky_train/Ab_1/1", "sky_train/Ab_1/2", "sky_test/-cD/1", "sky_test/-cD/3")):
        write_images(root / place, video(number), ".jpg")
    return root


def write_taichi(root: Path) -> Path:
    names = {"train": ["Ab_1#000000#000340", "Ab_1#000340#000680"], "test": ["-cD#000010#000350", "-cD#000350#000690"]}
    for split, stems in names.items():
        for number, stem in enumerate(stems):
            write_mp4(root / split / f"{stem}.mp4", 10 * len(split) + number, frames=340)
    return root


def write_mugen(root: Path, splits: tuple[str, ...] = ("train", "test")) -> Path:
    for offset, split in enumerate(splits):
        entries = []
        for number in range(2):
            name = f"{split}_{number}"
            write_mp4(root / "jumpbot" / "videos" / f"{name}.mp4", 10 * offset + number)
            write_wav(root / "jumpbot" / "audios" / f"{name}.wav", tone(LENGTH / 16, 22050), 22050)
            about = {"id": name, "json_file": f"jumpbot/video_metadata/{name}.json", "num_frames": LENGTH}
            about |= {"audio_file": f"jumpbot/audios/{name}.wav"}
            texts = {"auto": "Mugen walks.", "manual": f"Mugen runs, take {number}."}
            annotations = [{"type": kind, "text": text} for kind, text in texts.items()]
            entries.append({"video": about, "annotations": annotations})
        path = root / "coinrun_dataset_jsons" / "release" / f"{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"metadata": {"data_folder": "/somewhere/else", "split": split}, "data": entries}))
    return root


def write_drums(root: Path) -> Path:
    for offset, split in enumerate(("train", "test")):
        for number in range(2):
            frames = video(10 * offset + number)
            write_sounding_mp4(root / split / "mp4" / f"{number}.mp4", frames, tone(LENGTH / 16, 16000), 16000)
    return root


def write_frame_folders(root: Path) -> Path:
    for number, place in enumerate(("train/a/0", "train/b/1", "test/a/2", "test/b/3")):
        write_images(root / place, video(number))
    return root


WRITE = {
    "ucf101": write_ucf101,
    "sky": write_sky,
    "taichi": write_taichi,
    "mugen": write_mugen,
    "drums": write_drums,
    "frame_folders": write_frame_folders,
}
"""What writes the miniature of each data set, by its option."""
