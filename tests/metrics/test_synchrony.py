"""Sounds are heard when the embedded world makes them, turns are seen when it turns, and offsets are between both."""

import math

import numpy as np
import pytest
import torch

from tats_exp.data.audio import RATE
from tats_exp.data.shapes import Shapes, ShapesVideos
from tats_exp.data.shapes_sound import FPS, events
from tats_exp.metrics.synchrony import (
    ENDS,
    FAR,
    HOP,
    Path,
    Times,
    beginnings,
    mean_offset,
    mean_offset_by_chance,
    offsets,
)

VIDEOS, FRAMES = 24, 128


@pytest.fixture(scope="module")
def world() -> ShapesVideos:
    return Shapes(VIDEOS, VIDEOS, 256, 16, seed=5).split("test")


def heard_in(world: ShapesVideos) -> list[Times]:
    return [beginnings(world.audio(video, 0, FRAMES), RATE) * FPS for video in range(VIDEOS)]


def seen_in(world: ShapesVideos, piece: int = FRAMES) -> list[Times]:
    found = []
    for video in range(VIDEOS):
        path = Path()
        for start in range(0, FRAMES, piece):
            path.add(torch.from_numpy(world.read(video, start, min(piece, FRAMES - start))))
        found.append(path.turns())
    return found


def test_notes_are_heard_when_the_world_plays_them(world: ShapesVideos) -> None:
    """But for some that begin while another one still sounds; and nothing else is heard."""
    found, played = 0, 0
    for video, heard in enumerate(heard_in(world)):
        true = events(world.scene(video), 0.0, float(FRAMES))
        found += sum(np.abs(heard - time).min() < 0.25 for time in true)
        played += len(true)
        assert all(np.abs(true - time).min() < 0.25 for time in heard)
    assert found >= 0.95 * played > 150


def test_silence_and_a_steady_tone_do_not_begin_again() -> None:
    tone = (0.3 * np.sin(2 * math.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
    assert not len(beginnings(np.zeros(RATE, np.float32), RATE)) and not len(beginnings(np.zeros(0, np.float32), RATE))
    assert beginnings(tone, RATE).tolist() == [0.0]
    later = np.concatenate([np.zeros(50 * HOP, np.float32), tone])
    assert beginnings(later, RATE).tolist() == pytest.approx([0.5])
    assert beginnings(later / 100, RATE).tolist() == pytest.approx([0.5])  # however loud


def test_turns_are_seen_where_sounds_are_heard(world: ShapesVideos) -> None:
    heard, seen = heard_in(world), seen_in(world)
    assert mean_offset(heard, seen, ENDS, FRAMES - ENDS) < 0.5
    assert 2 < mean_offset_by_chance(heard, seen, ENDS, FRAMES - ENDS) < FAR


def test_a_path_does_not_hang_on_the_pieces_it_comes_in(world: ShapesVideos) -> None:
    for whole, parts in zip(seen_in(world), seen_in(world, piece=7), strict=True):
        assert np.array_equal(whole, parts)


def test_what_stands_still_or_is_not_there_does_not_turn() -> None:
    path = Path()
    assert not len(path.turns())
    path.add(torch.zeros(0, 16, 16, 3, dtype=torch.uint8))
    path.add(torch.full((40, 16, 16, 3), 90, dtype=torch.uint8))
    assert not len(path.turns())


def test_an_offset_is_that_to_the_nearest_turn() -> None:
    heard, seen = np.array([1.0, 4.0, 7.5, 40.0]), np.array([3.0, 7.0])
    assert offsets(heard, seen).tolist() == [2, 1, 0.5, FAR]
    assert offsets(heard, np.array([3.0])).tolist() == [2, 1, 4.5, FAR]
    assert offsets(heard, np.zeros(0)).tolist() == [FAR] * 4
    assert mean_offset([heard, heard], [seen, seen + 1], 2, 8) == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)
    assert math.isnan(mean_offset([heard], [seen], 10, 20))


def test_chance_is_the_sound_of_others() -> None:
    heard = [np.array([10.0]), np.array([12.0])]
    assert mean_offset(heard, heard, 0, 20) == 0 and mean_offset_by_chance(heard, heard, 0, 20) == 2
    assert math.isnan(mean_offset_by_chance(heard[:1], heard[:1], 0, 20))
