"""What is said of a video of the embedded world: a few sentences, each true, in words that vary.

A caption names colour, shape and law of the sprite; some also say how fast it is, or what it moves over.
"""

import numpy as np

from tats_exp.data.shapes_scene import COLOURS, LABEL_NAMES, LAWS, SHAPES, Grounds, Scene

CAPTIONS = 3
"""Captions of a video."""

COLOUR_WORDS = {"red": ("red", "crimson"), "green": ("green",), "blue": ("blue",), "yellow": ("yellow", "golden")}
SHAPE_WORDS = {"disc": ("disc", "circle", "ball"), "square": ("square", "box", "block")}
LAW_WORDS = {
    "bounce": ("bounces off the walls", "flies from wall to wall", "is thrown back by the walls"),
    "orbit": ("goes round and round", "orbits a point", "turns about a point"),
}
SPEED_WORDS = {False: ("slowly", "at an easy pace"), True: ("fast", "quickly")}
FAST = 0.045
"""Speed, in sides of the frame a frame, from which on a sprite is fast: the middle of those there are."""
PALETTE_WORDS = ("dusk", "teal", "rust", "pale")
TEMPLATES = (
    "a {colour} {shape} {law}",
    "a {colour} {shape} {law} {speed}",
    "there is a {shape}; it is {colour} and {law}",
    "{speed}, a {colour} {shape} {law}{over}",
    "a {shape} {law}{over}, it is {colour}",
)


def captions_of(scene: Scene, grounds: Grounds, rng: np.random.Generator) -> tuple[str, ...]:
    """Say a few things of a scene.

    Args:
        scene: of the video.
        grounds: what its sprite moves over.
        rng: draws templates and words.

    Returns:
        `CAPTIONS` sentences, lower case, without a full stop; no two from one template.
    """
    shape, colour, law = named(scene.label)
    over = {
        "plain": " over a dark ground",
        "palettes": f" over a {PALETTE_WORDS[scene.palette]} ground",
        "textures": f" over {PALETTE_WORDS[scene.palette]} stripes",
    }[grounds]
    return tuple(
        TEMPLATES[template].format(
            colour=rng.choice(COLOUR_WORDS[colour]),
            shape=rng.choice(SHAPE_WORDS[shape]),
            law=rng.choice(LAW_WORDS[law]),
            speed=rng.choice(SPEED_WORDS[scene.speed >= FAST]),
            over=over,
        )
        for template in rng.permutation(len(TEMPLATES))[:CAPTIONS]
    )


def named(label: int) -> tuple[str, str, str]:
    """Shape, colour and law of a label."""
    shape, rest = divmod(label, len(COLOURS) * len(LAWS))
    colour, law = divmod(rest, len(LAWS))
    return SHAPES[shape], [*COLOURS][colour], LAWS[law]


def attributes() -> dict[str, list[int]]:
    """What captions tell of a class, by name: for each class of `LABEL_NAMES` which colour, shape and law it has."""
    named_so = [named(label) for label in range(len(LABEL_NAMES))]
    return {
        "colour": [[*COLOURS].index(colour) for _, colour, _ in named_so],
        "shape": [SHAPES.index(shape) for shape, _, _ in named_so],
        "law": [LAWS.index(law) for _, _, law in named_so],
    }
