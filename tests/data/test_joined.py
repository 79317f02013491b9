"""Train and test seen as one: every frame is where its split has it."""

import numpy as np
import pytest

from tats_exp.data.joined import JoinedVideos
from tats_exp.data.shapes import Shapes
from tats_exp.data.videos import Videos


def test_videos_of_both_splits_in_their_order() -> None:
    source = Shapes(train_videos=3, test_videos=2, frames=20, resolution=8, seed=0)
    train, test = source.split("train"), source.split("test")
    both = JoinedVideos([train, test])
    assert isinstance(both, Videos)
    assert both.names == [*train.names, *test.names] and both.lengths == [*train.lengths, *test.lengths]
    assert np.array_equal(both.read(2, 1, 5), train.read(2, 1, 5))
    assert np.array_equal(both.read(4, 1, 5), test.read(1, 1, 5))
    assert both.fingerprint() not in (train.fingerprint(), test.fingerprint())
    with pytest.raises(ValueError, match="video 5: there are 5"):
        both.read(5, 0, 1)


def test_captions_and_sound_are_those_of_the_split_that_a_video_is_of() -> None:
    world = Shapes(3, 2, 20, 8, seed=0)
    train, test = world.split("train"), world.split("test")
    joined = JoinedVideos([train, test])
    assert joined.captions == [*train.captions, *test.captions]
    assert np.array_equal(joined.audio(4, 2, 8), test.audio(1, 2, 8))
    assert np.array_equal(joined.audio(1, 2, 8), train.audio(1, 2, 8))
    assert joined.sound_fingerprint() not in ("", train.sound_fingerprint())
