"""A split says of its videos what every protocol names."""

from types import SimpleNamespace

from tats_exp.data.videos import Videos
from tests.data.counting import Counting


def test_videos_that_do_not_say_how_they_were_stored_are_none():
    given = {name: getattr(Counting([4]), name) for name in (*Videos.__annotations__, "read", "fingerprint")}
    assert isinstance(SimpleNamespace(**given), Videos)
    for name in ("codec", "decoder"):
        assert not isinstance(SimpleNamespace(**{key: value for key, value in given.items() if key != name}), Videos)
