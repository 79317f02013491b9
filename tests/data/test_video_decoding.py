import av
import numpy as np
import pytest

from tats_exp.data.decoder import read_video
from tats_exp.data.judging import judged
from tats_exp.data.video_decoding import VideoFileReader
from tests.data.made_videos import frames_of, write_lossless, write_video


@pytest.mark.parametrize("width", [12, 16, 24, 34, 48, 64, 72, 144])
def test_frames_of_any_width_come_back(tmp_path, width):
    video = frames_of(20, height=18, width=width)
    write_lossless(tmp_path / "a.mkv", video)
    reader = VideoFileReader(tmp_path / "a.mkv")
    for indices in (range(20), range(3, 20, 5), range(4), [17, 2, 3, 2, 19]):
        assert np.array_equal(reader.read(indices), video[list(indices)])


@pytest.mark.parametrize("width", [16, 34])
def test_frames_beyond_the_end_are_refused(tmp_path, width):
    write_lossless(tmp_path / "a.mkv", frames_of(6, width=width))
    with pytest.raises(ValueError, match=r"a\.mkv: frame 6 asked for, it has 0 to 5"):
        VideoFileReader(tmp_path / "a.mkv").read(range(4, 7))


@pytest.mark.parametrize(
    ("name", "encoder", "codec"),
    [
        ("a.mp4", "libx264", "h264"),
        ("a.mkv", "libx264", "h264"),
        ("a.avi", "mpeg4", "mpeg4"),
        ("a.webm", "libvpx-vp9", "vp9"),
    ],
)
def test_codecs_go_by_their_common_names(tmp_path, name, encoder, codec):
    write_video(tmp_path / name, encoder, frames_of(4))
    assert judged(tmp_path / name).codec == codec


def test_a_title_in_another_encoding_does_not_matter(tmp_path):
    write_video(tmp_path / "a.avi", "mpeg4", frames_of(4))
    with av.open(str(tmp_path / "a.avi")) as plain, av.open(str(tmp_path / "b.avi"), "w") as titled:
        titled.metadata["title"] = "Strasse"
        stream = titled.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux(video=0):
            if packet.size:
                packet.stream = stream
                titled.mux(packet)
    data = (tmp_path / "b.avi").read_bytes()
    assert b"Strasse" in data
    (tmp_path / "b.avi").write_bytes(data.replace(b"Strasse", b"Stra\xdfes"))
    assert judged(tmp_path / "b.avi").codec == "mpeg4"


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match=r"a\.mkv: holds no video"):
        VideoFileReader(tmp_path / "a.mkv")


@pytest.mark.parametrize(("content", "why"), [(None, "no such file"), (b"", "is empty"), (b"text\n" * 99, "opened")])
def test_what_is_no_video_is_one_line(tmp_path, content, why):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=why) as caught:
        VideoFileReader(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_both_ways_to_read_a_whole_file_give_the_same_pixels(tmp_path):
    write_video(tmp_path / "a.mp4", "libx264", frames_of(20))
    assert np.array_equal(VideoFileReader(tmp_path / "a.mp4").read(range(20)), read_video(tmp_path / "a.mp4"))
