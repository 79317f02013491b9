import numpy as np
import pytest

from tats_exp.data.mirrored import MirroredVideos
from tats_exp.data.shapes import Shapes
from tats_exp.data.videos import Videos


def test_each_video_comes_a_second_time_with_left_and_right_swapped() -> None:
    plain = Shapes(3, 1, 20, 16, seed=0).split("train")
    videos = MirroredVideos(plain)
    assert isinstance(videos, Videos) and len({*videos.names}) == 6
    assert videos.labels == plain.labels * 2 and videos.lengths == [20] * 6
    for video in range(3):
        read = plain.read(video, 4, 8)
        assert np.array_equal(videos.read(video, 4, 8), read)
        assert np.array_equal(videos.read(video + 3, 4, 8)[:, :, ::-1], read)
        assert not np.array_equal(videos.read(video + 3, 4, 8), read)
    assert videos.captions == plain.captions * 2
    assert np.array_equal(videos.audio(5, 3, 8), plain.audio(2, 3, 8))
    assert videos.sound_fingerprint() == plain.sound_fingerprint() != ""
    for beyond in (-1, 6):
        with pytest.raises(ValueError, match="there are 6"):
            videos.read(beyond, 0, 4)
    assert videos.fingerprint() != plain.fingerprint()
