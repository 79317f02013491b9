"""Pictures of sound: what is heard when and how high, from a span alone."""

import numpy as np
import pytest
import torch

from tats_exp import UserError
from tats_exp.data.audio import RATE
from tats_exp.data.shapes import Shapes
from tats_exp.data.spectrogram import DECIBELS, Spans, Spectrogram

SPECTROGRAM = Spectrogram(window=512, bins=64, frames=16)


def sine(pitch: float, swing: float = 1.0, samples: int = 4000) -> np.ndarray:
    return (swing * np.sin(2 * np.pi * pitch * np.arange(samples) / RATE)).astype(np.float32)


@pytest.mark.parametrize("number", [5, 17, 40])
def test_a_sine_is_loud_at_its_frequency_and_its_loudness_is_told_in_decibels(number: int) -> None:
    pitch = number * RATE / 512
    whole, tenth = SPECTROGRAM(sine(pitch)), SPECTROGRAM(sine(pitch, 0.1))
    assert whole.shape == (64, 16) and whole.dtype == np.uint8
    assert (whole.argmax(axis=0) == number).all() and (whole[number] == 255).all()
    assert (tenth[number] == round(255 * (1 - 20 / DECIBELS))).all()
    assert not SPECTROGRAM(np.zeros(4000, np.float32)).any()


@pytest.mark.parametrize("samples", [4000, 2133, 8534, 700])
def test_a_click_is_seen_at_its_time_in_spans_of_any_length(samples: int) -> None:
    sound = np.zeros(samples, np.float32)
    sound[samples // 2] = 1
    when = SPECTROGRAM(sound).astype(float).sum(axis=0)
    centre = (when * np.arange(16)).sum() / when.sum()
    assert centre == pytest.approx(7.5, abs=0.6)


def test_the_whole_span_is_heard_its_first_and_its_last_samples_too() -> None:
    for place in (200, 3800):
        sound = np.zeros(4000, np.float32)
        sound[place] = 1
        assert SPECTROGRAM(sound).any()


def test_a_span_shorter_than_a_frame_is_filled_with_silence() -> None:
    assert (SPECTROGRAM(sine(1000, samples=100)) == SPECTROGRAM(np.pad(sine(1000, samples=100), (0, 412)))).all()


def test_spans_are_those_of_the_videos_and_outside_there_is_silence() -> None:
    videos = Shapes(2, 1, 12, 8, seed=0).split("train")
    spans = Spans(videos, 4, SPECTROGRAM)
    assert len(spans) == 2 * 9
    for index in (0, 8, 9, 13):
        expected = SPECTROGRAM(videos.audio(index // 9, index % 9, 4))
        assert torch.equal(spans[index]["picture"][0], torch.from_numpy(expected.copy()))
    assert any(spans[index]["picture"].any() for index in range(18))
    for start in (-1, 9, 400):
        assert not SPECTROGRAM.of_frames(videos, 0, start, 4).any()


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((8, 4, 16), "window=8: allowed: 16 to"),
        ((512, 257, 16), "bins=257: allowed: 1 to 256"),
        ((512, 64, 0), "frames=0"),
    ],
)
def test_numbers_out_of_range_are_one_line(numbers: tuple[int, int, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Spectrogram(*numbers)
