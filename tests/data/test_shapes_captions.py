"""What the world says of itself, held against what it is."""

from typing import get_args

import pytest

from tats_exp.data.shapes import Shapes
from tats_exp.data.shapes_captions import (
    CAPTIONS,
    COLOUR_WORDS,
    FAST,
    LAW_WORDS,
    PALETTE_WORDS,
    SHAPE_WORDS,
    SPEED_WORDS,
    attributes,
    named,
)
from tats_exp.data.shapes_scene import COLOURS, LABEL_NAMES, LAWS, SHAPES, Grounds


def said(words: dict, caption: str) -> list:
    """What of a dictionary of words a caption says."""
    parts = f" {caption.replace(',', '').replace(';', '')} "
    return [key for key, several in words.items() if any(f" {word} " in parts for word in several)]


@pytest.mark.parametrize("grounds", get_args(Grounds))
def test_captions_are_true(grounds: Grounds) -> None:
    videos = Shapes(64, 1, 16, 8, seed=0, grounds=grounds).split("train")
    for video, captions in enumerate(videos.captions):
        scene = videos.scene(video)
        shape, colour, law = named(videos.labels[video])
        assert len(captions) == len({*captions}) == CAPTIONS
        for caption in captions:
            assert said(COLOUR_WORDS, caption) == [colour] and said(SHAPE_WORDS, caption) == [shape]
            assert said(LAW_WORDS, caption) == [law]
            assert said(SPEED_WORDS, caption) in ([], [scene.speed >= FAST])
            if " over a " in caption or " over " in caption:
                assert grounds == "plain" or PALETTE_WORDS[scene.palette] in caption


def test_names_are_those_of_the_labels() -> None:
    assert [f"{colour} {shape} {law}" for shape, colour, law in map(named, range(16))] == LABEL_NAMES


def test_attributes_are_what_names_say() -> None:
    told = attributes()
    for label, name in enumerate(LABEL_NAMES):
        colour, shape, law = [*COLOURS][told["colour"][label]], SHAPES[told["shape"][label]], LAWS[told["law"][label]]
        assert f"{colour} {shape} {law}" == name


def test_captions_vary_and_are_the_same_for_ever() -> None:
    world = Shapes(160, 8, 16, 8, seed=0)
    captions = world.split("train").captions
    assert len({text for texts in captions for text in texts}) > 200
    assert captions[:8] == Shapes(8, 1, 99, 16, seed=0).split("train").captions
    assert captions[:8] != world.split("test").captions
    assert captions != Shapes(160, 8, 16, 8, seed=1).split("train").captions
