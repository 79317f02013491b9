"""What the one who asks may not read is left out, or refused, by one line that says so."""

import ctypes
import json
import os
import subprocess
import sys

import pytest

from tats_exp.data import judging
from tests.data.made_videos import frames_of, write_array, write_gif, write_images, write_video

DAC_OVERRIDE, DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def without_privileges():
    """Let a process of root be refused what its owner has closed, as anybody is; others are refused anyhow."""
    libc = ctypes.CDLL(None)
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


PRIVILEGED = 77
CLOSED = f"""
import json
import os
import sys
from pathlib import Path
from tats_exp import UserError
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_folder import VideoFolder
from tats_exp.data.video_readers import open_reader

def said(attempt):
    try:
        return attempt()
    except UserError as error:
        return f"refused: {{error}}"

root = Path(sys.argv[1])
(root / "probe").touch(0)
if os.access(root / "probe", os.R_OK):
    sys.exit({PRIVILEGED})

def files():
    source = VideoFiles(root, 16)
    videos = source.split("train")
    return [videos.names, [line for line in source.left_out("train") if "Permission" in line]]

def everything():
    videos = VideoFolder(root, 16)
    return [videos.names, videos.unreadable]

for closed, mode in (line.rsplit(" ", 1) for line in sys.argv[2:]):
    path = root / closed
    before = path.stat().st_mode
    path.chmod(int(mode, 8))
    print(json.dumps([said(files), said(everything), said(lambda: open_reader(path).length)]))
    path.chmod(before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets root give up its privileges one by one")
def test_what_may_not_be_read_is_one_line_that_says_so(tmp_path):
    for name in ("train/cats/a.mp4", "train/dogs/b.mp4", "test/cats/c.mp4"):
        write_video(tmp_path / name, "libx264", frames_of(4))
    write_gif(tmp_path / "test" / "d.gif", frames_of(4))
    write_array(tmp_path / "test" / "e.npy", frames_of(4))
    write_images(tmp_path / "test" / "f", frames_of(4))
    of_train, of_test = ["cats/a.mp4", "dogs/b.mp4"], ["cats/c.mp4", "d.gif", "e.npy", "f"]
    everything = [*(f"test/{name}" for name in of_test), *(f"train/{name}" for name in of_train)]
    files = ("train/cats/a.mp4", "test/d.gif", "test/e.npy", "test/f/frame_2.png")
    folders = ("train/cats", "test/f", "train")
    closed = [*(f"{name} 000" for name in files), *(f"{name} {mode}" for name in folders for mode in ("000", "400"))]
    environment = os.environ | {judging.KEPT: str(tmp_path / "kept")}
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path), *closed],
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=without_privileges,
    )
    if done.returncode == PRIVILEGED:
        pytest.skip("this user may read everything, and cannot give that up")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(closed)
    for asked, (split, folder, single) in zip(closed, lines, strict=True):
        name = asked.rsplit(" ", 1)[0]
        path = tmp_path / name
        readable = [other for other in everything if not f"{name}/".startswith(f"{other}/")]
        readable = [other for other in readable if not other.startswith(f"{name}/")]
        assert folder[0] == readable
        assert all("Permission denied" in line and line.startswith(f"{path}") for line in folder[1]) and folder[1]
        if name in ("train/cats", "train"):
            assert split.startswith(f"refused: {path}") and "Permission denied" in split
        else:
            of_this = [f"train/{other}" for other in of_train if f"train/{other}" != name]
            assert split[0] == of_this and len(split[1]) == (name == "train/cats/a.mp4")
        assert single.startswith((f"refused: {path}: ", f"refused: {path}/"))
