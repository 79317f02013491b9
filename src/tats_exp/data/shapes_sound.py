"""The sound of the embedded world: a note whenever a sprite meets a wall, or has gone round once.

Pitch tells the colour, timbre the shape. Like the pixels it is a closed form of time: any piece is made directly.

Axes: S samples.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tats_exp.data.audio import RATE
from tats_exp.data.shapes_captions import named
from tats_exp.data.shapes_scene import LAWS, Scene

FPS = 16
"""Frames a second."""
PITCHES = {"red": 262.0, "green": 330.0, "blue": 392.0, "yellow": 523.0}
"""Hz."""
PARTIALS = {"disc": (1.0,), "square": (1.0, 0.0, 1 / 3, 0.0, 1 / 5)}
"""Strength of each multiple of the pitch: a pure tone, or a hollow one."""
FADES, ENDS = 0.08, 0.5
"""Seconds in which a note falls to 1/e, and after which it is over."""
LOUD = 0.3
"""The most that a note swings: three at once stay below 1."""


def events(scene: Scene, first: float, last: float) -> NDArray[np.float64]:
    """When notes begin.

    Args:
        scene: of the video.
        first: from when on, in frames.
        last: before when, in frames.

    Returns:
        Times in frames, in order.
    """
    _, _, law = named(scene.label)
    if law == LAWS[0]:
        room = 1 - 2 * scene.radius
        rates = (scene.speed * math.cos(scene.heading) / room, scene.speed * math.sin(scene.heading) / room)
        found = [_crossings(phase, rate, first, last) for phase, rate in zip(scene.phases, rates, strict=True)]
    else:
        turns = scene.phases[0] / 2, scene.speed / scene.turn / (2 * math.pi)
        found = [_crossings(*turns, first, last)]
    return np.sort(np.concatenate(found))


def _crossings(phase: float, rate: float, first: float, last: float) -> NDArray[np.float64]:
    """Times at which phase + rate t is a whole number."""
    ends = sorted((phase + rate * first, phase + rate * last))
    whole = np.arange(math.ceil(ends[0]), math.floor(ends[1]) + 1)
    times = (whole - phase) / rate
    return times[(times >= first) & (times < last)].astype(np.float64)


def sound_of(scene: Scene, start: int, frames: int) -> NDArray[np.float32]:
    """The sound of frames `start` to `start + frames`.

    Returns:
        (S,) float32, -1 to 1, S = frames x 1,000.
    """
    shape, colour, _ = named(scene.label)
    times = (start * RATE // FPS + np.arange(frames * RATE // FPS)) / RATE
    sound = np.zeros(len(times))
    for event in events(scene, max(0.0, start - ENDS * FPS), float(start + frames)) / FPS:
        since = times - event
        heard = (since >= 0) & (since < ENDS)
        waves = [
            strength * np.sin(2 * math.pi * PITCHES[colour] * (number + 1) * since[heard])
            for number, strength in enumerate(PARTIALS[shape])
        ]
        sound[heard] += LOUD * sum(waves) * np.exp(-since[heard] / FADES)
    return np.clip(sound, -1, 1).astype(np.float32)
