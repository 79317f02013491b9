"""Every kind of video gives the frames it is asked for by number, or says that it has none of that number."""

import numpy as np
import pytest

from tats_exp import UserError
from tats_exp.data.video_readers import open_reader
from tests.data.made_videos import frames_of, write_array, write_gif, write_images, write_lossless

KINDS = ["a.mkv", "a.gif", "images", "a.npy", "several.npy", "fortran.npy"]


@pytest.fixture(params=KINDS)
def video(tmp_path, request):
    """An open video of 6 frames, and its frames."""
    path, frames = tmp_path / request.param, frames_of(6)
    several = np.stack([frames, 255 - frames])
    write = {
        "a.mkv": lambda: write_lossless(path, frames),
        "a.gif": lambda: write_gif(path, frames),
        "images": lambda: write_images(path, frames),
        "a.npy": lambda: write_array(path, frames),
        "several.npy": lambda: write_array(path, several),
        "fortran.npy": lambda: write_array(path, np.asfortranarray(several)),
    }
    write[request.param]()
    return open_reader(path), frames


@pytest.mark.parametrize("beyond", [range(4, 7), range(6, 8), range(-1, 2), range(2, -2, -1)])
def test_frames_that_are_not_there_are_refused(video, beyond):
    reader, _ = video
    with pytest.raises(UserError, match=r"(6|-1) asked for, it has 0 to 5$"):
        reader.read(beyond)


@pytest.mark.parametrize("wanted", [range(6), range(1, 6, 2), range(5, -1, -1), range(4, 0, -2), range(3, 3)])
def test_frames_come_in_the_order_they_are_asked_for(video, wanted):
    reader, frames = video
    assert np.array_equal(reader.read(wanted), frames[list(wanted)])
