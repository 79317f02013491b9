"""The sound of the world, held against where its sprites are."""

import numpy as np
import pytest

from tats_exp.data.audio import RATE
from tats_exp.data.shapes import Shapes
from tats_exp.data.shapes_scene import LAWS
from tats_exp.data.shapes_sound import ENDS, FPS, PITCHES, events

WORLD = Shapes(32, 1, 400, 8, seed=0).split("train")
BOUNCING = [video for video in range(32) if LAWS[WORLD.labels[video] % 2] == "bounce"]
ORBITING = [video for video in range(32) if video not in BOUNCING]


@pytest.mark.parametrize("video", BOUNCING[:6])
def test_a_note_begins_whenever_a_sprite_meets_a_wall(video: int) -> None:
    scene = WORLD.scene(video)
    times = np.arange(0, 100, 0.01)
    met = []
    for place in scene.positions(times):
        turns = np.flatnonzero(np.diff(np.sign(np.diff(place))) != 0) + 1
        met += times[turns].tolist()
    found = events(scene, 0.0, 99.9)
    assert len(found) > 4 and np.allclose(found, sorted(met), atol=0.03)


@pytest.mark.parametrize("video", ORBITING[:6])
def test_a_note_begins_whenever_a_sprite_has_gone_round(video: int) -> None:
    scene = WORLD.scene(video)
    found = events(scene, 0.0, 400.0)
    assert len(found) > 4
    assert np.allclose(np.diff(found), 2 * np.pi * abs(scene.turn) / scene.speed)
    places = np.array(scene.positions(found))
    assert np.allclose(places, places[:, :1])


@pytest.mark.parametrize("video", [0, 1, 8, 9])
def test_any_piece_is_that_of_the_whole(video: int) -> None:
    whole = WORLD.audio(video, 0, 400)
    assert whole.shape == (400 * RATE // FPS,) and whole.dtype == np.float32
    assert 0.05 < np.abs(whole).max() < 1
    for start, frames in ((0, 16), (7, 33), (384, 16)):
        piece = WORLD.audio(video, start, frames)
        assert np.array_equal(piece, whole[start * 1000 : (start + frames) * 1000])


@pytest.mark.parametrize("video", range(0, 16, 2))
def test_pitch_tells_the_colour_and_notes_end(video: int) -> None:
    sound, scene = WORLD.audio(video, 0, 400), WORLD.scene(video)
    colour = WORLD.label_names[WORLD.labels[video]].split()[0]
    spectrum = np.abs(np.fft.rfft(sound))
    pitch = np.argmax(spectrum) * RATE / len(sound)
    assert pitch == pytest.approx(PITCHES[colour], rel=0.03)
    times = np.arange(len(sound)) / RATE
    begun = events(scene, 0.0, 400.0) / FPS
    silent = np.ones(len(sound), bool)
    for note in begun:
        silent &= ~((times >= note) & (times < note + ENDS))
    assert not sound[silent].any()
