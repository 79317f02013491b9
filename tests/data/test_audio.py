from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tats_exp import UserError
from tats_exp.data import audio
from tats_exp.data.audio import RATE, read_audio
from tats_exp.data.frame_folders import FrameFolders
from tats_exp.data.video_files import VideoFiles
from tests.data.made_videos import write_images
from tests.data.miniatures import tone, video, write_mp4, write_sounding_mp4, write_wav


def click(seconds: float, at: float, rate: int = RATE) -> np.ndarray:
    """Silence with a short click at one time."""
    samples = np.zeros(round(seconds * rate), np.int16)
    samples[round(at * rate) : round(at * rate) + 40] = 20000
    return samples


def heard(sound: np.ndarray) -> float:
    """When a click is heard, in seconds."""
    return float(np.argmax(np.abs(sound) > 0.2)) / RATE


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_any_channels_become_one_channel_at_one_rate(rate: int, channels: int, tmp_path: Path) -> None:
    samples = tone(2.0, rate)
    write_wav(tmp_path / "a.wav", samples if channels == 1 else np.stack([samples, samples], axis=1), rate)
    sound = read_audio(tmp_path / "a.wav", 0.5, 1.0)
    assert sound.shape == (RATE,) and sound.dtype == np.float32
    expected = np.sin(2 * np.pi * 440 * (0.5 + np.arange(RATE) / RATE)) / 2
    assert np.abs(sound - expected).max() < 0.02


def test_of_stereo_the_mean_of_both_channels_is_heard(tmp_path: Path) -> None:
    left = tone(1.0, 44100)
    write_wav(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), 44100)
    write_wav(tmp_path / "b.wav", left, 44100)
    one, both = (read_audio(tmp_path / name, 0.25, 0.5) for name in ("a.wav", "b.wav"))
    assert np.abs(one - both / 2).max() < 1e-3


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_sound_shorter_than_its_video_ends_in_silence_and_longer_sound_is_cut_off(
    seconds: float, tmp_path: Path
) -> None:
    for split in ("train", "test"):
        write_mp4(tmp_path / split / "a" / "a.mp4", 0, 32)  # 2 seconds
        write_wav(tmp_path / split / "a" / "a.wav", tone(seconds, 44100), 44100)
    sound = VideoFiles(tmp_path, resolution=16).split("train").audio(0, 8, 24)
    assert sound.shape == (24000,) and np.abs(sound[:7900]).max() == pytest.approx(0.5, abs=0.02)
    assert sound[8100:].any() == (seconds > 2)


def test_what_sound_beside_a_video_is_changes_its_fingerprint(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in (0, 1):
            write_mp4(tmp_path / split / "a" / f"{number}.mp4", number, 32)
    own = VideoFiles(tmp_path, resolution=16).split("train")
    write_wav(tmp_path / "train/a/1.wav", tone(1.0, RATE), RATE)
    beside = VideoFiles(tmp_path, resolution=16).split("train")
    again = VideoFiles(tmp_path, resolution=16).split("train")
    assert beside.sound_fingerprint() == again.sound_fingerprint() != own.sound_fingerprint()
    assert beside.fingerprint() == own.fingerprint()
    before = beside.sound_fingerprint()
    write_wav(tmp_path / "train/a/1.wav", tone(1.0, RATE, pitch=441.0), RATE)
    assert beside.sound_fingerprint() != before


@pytest.mark.parametrize("kept, times", [(2**27, 8), (5 * RATE * 4, 24 - 2 * 4), (0, 24)])
def test_pieces_are_the_same_whether_sounds_are_kept_or_not(
    kept: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four files of two seconds, of which all, two or none can be kept, from the second time on that one is read."""
    monkeypatch.setattr(audio, "KEPT_BYTES", kept)
    decoded: list[Path] = []
    monkeypatch.setattr(audio, "read_audio", lambda path, *piece: (decoded.append(path), read_audio(path, *piece))[1])
    paths = [tmp_path / f"{number}.wav" for number in range(4)]
    for number, path in enumerate(paths):
        write_wav(path, tone(2.0, 44100, pitch=300.0 + 100 * number), 44100)
    sounds = audio.SoundReader()
    for start in (0.0, 0.3, 1.1, 1.25, 0.7, 1.5):
        for path in paths:
            assert np.array_equal(sounds.read(path, start, 0.5, 2.0), read_audio(path, start, 0.5))
    assert len(decoded) == times
    outside = [(path, start) for path in paths for start in (-0.2, 1.7, 2.5)]
    for path, start in outside:
        assert np.array_equal(sounds.read(path, start, 0.5, 2.0), read_audio(path, start, 0.5))


def test_videos_of_one_sound_file_have_as_much_of_it_as_they_are_long(tmp_path: Path) -> None:
    path, sounds = tmp_path / "a.wav", audio.SoundReader()
    write_wav(path, tone(3.0, RATE), RATE)
    for whole in (1.0, 3.0, 1.0, 3.0):
        assert np.array_equal(sounds.read(path, 0.5, 0.5, whole), read_audio(path, 0.5, 0.5))
    for whole, start in ((1.0, 0.25), (3.0, 2.25), (3.0, 2.5)):
        assert np.array_equal(sounds.read(path, start, 0.5, whole), read_audio(path, start, 0.5))


def test_a_piece_is_that_part_of_the_whole_and_beyond_its_ends_is_silence(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(1.0, RATE), RATE)
    whole = read_audio(tmp_path / "a.wav", 0.0, 1.0)
    assert np.array_equal(read_audio(tmp_path / "a.wav", 0.25, 0.5), whole[4000:12000])
    beyond = read_audio(tmp_path / "a.wav", 0.75, 0.5)
    assert np.array_equal(beyond[:4000], whole[12000:]) and not beyond[4000:].any()


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_sound_is_that_of_its_frames(name: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_sounding_mp4(tmp_path / split / "a" / name, video(0, 64), click(4.0, at=2.0), RATE, fps=16)
    videos = VideoFiles(tmp_path, resolution=16, frame_stride=2).split("train")
    sound = videos.audio(0, 24, 12)  # from 1.5 s on, for 24 frames of the file
    assert sound.shape == (24000,)
    assert heard(sound) == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("late", [0.0, 0.75])
def test_sound_after_a_gap_and_of_a_video_that_begins_late_is_where_it_belongs(late: float, tmp_path: Path) -> None:
    path, rate = tmp_path / "a.mkv", 16000
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=16)
        picture.height = picture.width = 16
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for number, frame in enumerate(video(0, 64)):
            shown = av.VideoFrame.from_ndarray(frame, format="rgb24")
            shown.pts, shown.time_base = round((number / 16 + late) * 1000), Fraction(1, 1000)
            container.mux(picture.encode(shown))
        container.mux(picture.encode(None))
        for begins in (0.0, 2.0):  # a click at the beginning of each stretch of a second
            for start in range(0, rate, 1600):
                samples = click(1.0, at=0.0)[start : start + 1600]
                piece = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
                piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
                piece.pts = round((begins + late) * rate) + start
                container.mux(sound.encode(piece))
    whole = read_audio(path, 0.0, 4.0)
    loud = np.flatnonzero(np.abs(whole) > 0.2) / RATE
    assert loud.min() == pytest.approx(0.0, abs=0.01) and loud.max() == pytest.approx(2.0, abs=0.01)
    assert heard(read_audio(path, 1.5, 1.0)) == pytest.approx(0.5, abs=0.01)


def test_a_sound_file_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.wav: no such file"):
        read_audio(tmp_path / "gone.wav", 0.0, 1.0)


def test_a_sound_file_beside_a_video_comes_before_its_own_track(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_sounding_mp4(tmp_path / split / "a" / "a.mkv", video(0, 32), click(2.0, at=0.5), RATE)
        write_wav(tmp_path / split / "a" / "a.wav", click(2.0, at=1.5, rate=44100), 44100)
    source = VideoFiles(tmp_path, resolution=16)
    assert heard(source.split("train").audio(0, 0, 32)) == pytest.approx(1.5, abs=0.001)
    assert source.left_out("train") == []


def test_folders_of_frames_need_their_rate_to_sound(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_images(tmp_path / split / "a" / "0", video(0, 32))
        write_wav(tmp_path / split / "a" / "0.wav", click(2.0, at=1.0), RATE)
    sound = FrameFolders(tmp_path, 16, fps=16.0).split("train").audio(0, 8, 16)
    assert sound.shape == (16000,) and heard(sound) == pytest.approx(0.5, abs=0.001)
    with pytest.raises(UserError, match="needs their rate, fps of"):
        FrameFolders(tmp_path, 16).split("train").audio(0, 8, 16)
    for wrong in (0.0, float("inf"), float("nan")):
        with pytest.raises(UserError, match="fps must be a number above 0"):
            FrameFolders(tmp_path, 16, fps=wrong)


def test_a_video_without_sound_and_a_damaged_sound_file_are_one_line(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_mp4(tmp_path / split / "a" / "0.mp4", 0, 32)
    videos = VideoFiles(tmp_path, resolution=16).split("train")
    with pytest.raises(UserError, match=r"0\.mp4: holds no sound"):
        videos.audio(0, 0, 16)
    with pytest.raises(ValueError, match="frames 20 to 35 asked for"):
        videos.audio(0, 20, 16)
    (tmp_path / "train" / "a" / "0.wav").write_bytes(b"RIFF of nothing")
    with pytest.raises(UserError, match=r"0\.wav: its sound cannot be decoded"):
        VideoFiles(tmp_path, resolution=16).split("train").audio(0, 0, 16)
