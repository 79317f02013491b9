"""A split says of its videos what every protocol names."""

from types import SimpleNamespace

import pytest

from tats_exp import UserError
from tats_exp.data.videos import Videos
from tests.data.counting import Counting


def test_videos_that_do_not_say_how_they_were_stored_are_none():
    named = (*Videos.__annotations__, "read", "fingerprint", "captions", "audio", "sound_fingerprint", "frame_rate")
    given = {name: getattr(Counting([4]), name) for name in named}
    assert isinstance(SimpleNamespace(**given), Videos)
    for name in ("codec", "decoder"):
        assert not isinstance(SimpleNamespace(**{key: value for key, value in given.items() if key != name}), Videos)


def test_videos_that_say_nothing_of_captions_and_sound_have_none():
    videos = Counting([4, 5])
    assert videos.captions == [(), ()]
    with pytest.raises(UserError, match="video 1: there is no sound in these data"):
        videos.audio(1, 0, 2)
