import hashlib

import numpy as np
import pytest

from tats_exp.data.shapes import Shapes
from tats_exp.data.shapes_scene import COLOURS, LABEL_NAMES, LAWS, PALETTES, SHAPES

GROUNDS = ("plain", "palettes", "textures")


def world(frames=100_000, resolution=16, seed=0, videos=64, grounds="plain"):
    return Shapes(videos, videos, frames, resolution, seed, grounds).split("train")


@pytest.mark.parametrize("grounds", GROUNDS)
def test_any_frame_is_rendered_alone_as_it_is_in_a_long_read(grounds):
    videos = world(grounds=grounds)
    for video in (0, 1, 31):
        whole = videos.read(video, 4_990, 40)
        for place in (0, 7, 39):
            assert np.array_equal(videos.read(video, 4_990 + place, 1)[0], whole[place])


def test_more_videos_or_frames_leave_the_scenes_as_they_are():
    small, large = world(frames=32, videos=4), world(frames=5_000, videos=90)
    assert np.array_equal(small.read(3, 0, 32), large.read(3, 0, 32))


def test_seed_split_and_index_each_change_the_video():
    source = Shapes(40, 40, 64, 16, seed=0)
    one = source.split("train").read(0, 0, 16)
    others = [
        source.split("test").read(0, 0, 16),
        source.split("train").read(16, 0, 16),
        world(seed=1).read(0, 0, 16),
    ]
    assert all(not np.array_equal(one, other) for other in others)
    assert np.array_equal(one, Shapes(40, 40, 64, 16, seed=0).split("train").read(0, 0, 16))


def test_textures_are_what_they_were_before_there_were_other_grounds():
    """The digest is of version 1 of the world, which knew no other ground."""
    digest = hashlib.sha256()
    source = Shapes(40, 40, 200, 33, seed=3, grounds="textures")
    for videos in (source.split("train"), source.split("test")):
        for video in range(32):
            digest.update(videos.read(video, 7 * video % 100, 20).tobytes())
    assert digest.hexdigest() == "73913a41b243876bce2a838ea652063963f8df558527a33659d266ab388356ac"


def test_grounds_are_still_colours_or_textures_and_sprites_do_not_hang_on_them():
    worlds = {grounds: world(resolution=32, grounds=grounds) for grounds in GROUNDS}
    seen = set()
    for video in range(32):
        scenes = [videos.scene(video) for videos in worlds.values()]
        assert scenes[0] == scenes[1] == scenes[2]
        plain, palettes, textures = (videos.read(video, 50, 8).astype(int) for videos in worlds.values())
        dark, light = (np.array(colour) for colour in PALETTES[scenes[0].palette])
        # Where the ground is seen through no part of the sprite, and where nothing is seen of the ground.
        ground = (plain == PALETTES[0][0]).all(axis=-1)
        sprite = (plain == list(COLOURS.values())[scenes[0].label // 2 % 4]).all(axis=-1)
        assert 0.8 < ground.mean() < 0.97 and 0.02 < sprite.mean() < 0.12
        assert np.abs(palettes[ground] - (dark + light) / 2).max() <= 0.5
        assert (textures[ground] >= dark).all() and (textures[ground] <= light).all()
        assert textures[ground].std(axis=0).min() > 3
        assert (palettes[sprite] == plain[sprite]).all() and (textures[sprite] == plain[sprite]).all()
        seen.add(tuple(palettes[ground][0]))
    assert len(seen) == len(PALETTES)


@pytest.mark.parametrize("grounds", GROUNDS)
def test_the_world_is_stationary(grounds):
    early, late = world(frames=10**7, grounds=grounds), world(frames=10**7, grounds=grounds)
    now = np.stack([early.read(video, 0, 8) for video in range(64)]).astype(float)
    later = np.stack([late.read(video, 9_999_000, 8) for video in range(64)]).astype(float)
    assert abs(now.mean() - later.mean()) < 4
    assert abs(now.std() - later.std()) < 4
    motion, motion_later = (np.abs(np.diff(clip, axis=1)).mean() for clip in (now, later))
    assert 0.85 < motion / motion_later < 1.18


@pytest.mark.parametrize("grounds", GROUNDS)
def test_far_frames_are_as_smooth_as_near_ones(grounds):
    videos = world(frames=10**7, resolution=32, grounds=grounds)
    for start in (0, 9_000_000):
        clip = videos.read(5, start, 16).astype(float)
        steps = np.abs(np.diff(clip, axis=0)).mean(axis=(1, 2, 3))
        assert steps.min() > 0.3, "the video must move"
        assert steps.max() < 2.5 * steps.min()


@pytest.mark.parametrize("video", range(16))
def test_sprites_stay_inside_and_keep_speed_and_law(video):
    scene = world().scene(video)
    times = np.arange(0, 3_000, 0.1)
    x, y = scene.positions(times)
    for place in (x, y):
        assert place.min() >= scene.radius - 1e-9
        assert place.max() <= 1 - scene.radius + 1e-9
    steps = np.hypot(np.diff(x), np.diff(y)) / 0.1
    assert np.isclose(np.median(steps), scene.speed, rtol=1e-3)
    bend = np.hypot(np.diff(x, 2), np.diff(y, 2))
    straight = (bend < 1e-9).mean()
    if LAWS[scene.label % 2] == "bounce":
        assert straight > 0.97
        assert np.isclose(x.min(), scene.radius, atol=0.01) and np.isclose(x.max(), 1 - scene.radius, atol=0.01)
    else:
        assert straight == 0
        assert np.isclose(np.ptp(x), 2 * abs(scene.turn), atol=1e-3)


def test_labels_are_balanced_and_name_what_is_seen():
    videos = world(resolution=64)
    assert np.bincount(videos.labels).tolist() == [4] * 16
    assert len(set(LABEL_NAMES)) == len(SHAPES) * len(COLOURS) * len(LAWS) == 16
    for video in range(16):
        scene, frame = videos.scene(video), videos.read(video, 0, 1)[0]
        x, y = (float(place[0]) for place in scene.positions(np.zeros(1)))
        colour, shape, _ = LABEL_NAMES[videos.labels[video]].split()
        centre = frame[int(y * 64), int(x * 64)].astype(int)
        assert np.abs(centre - np.array(COLOURS[colour])).max() <= 1
        # Inside of a square's corner, but outside of the disc of the same area.
        corner = 0.78 * scene.radius
        pixel = frame[int((y + corner) * 64), int((x + corner) * 64)].astype(int)
        assert (np.abs(pixel - np.array(COLOURS[colour])).max() <= 1) == (shape == "square")


def test_sprites_are_antialiased_the_same_scene_at_every_resolution():
    fine, coarse = world(resolution=64), world(resolution=16)
    for video in range(16):
        large = fine.read(video, 100, 4).astype(float)
        averaged = large.reshape(4, 16, 4, 16, 4, 3).mean(axis=(2, 4))
        assert np.abs(averaged - coarse.read(video, 100, 4)).mean() < 3


def test_frames_outside_of_a_video_are_refused_in_one_line():
    videos = world(frames=20)
    videos.read(0, 4, 16)
    for start, frames in ((-1, 4), (5, 16)):
        with pytest.raises(ValueError, match=r"train/000000 red disc bounce: frames .* it has 0 to 19"):
            videos.read(0, start, frames)


def test_fingerprint_tells_everything_that_changes_the_pixels_apart():
    source = Shapes(8, 8, 64, 16, seed=0)
    prints = {
        source.split("train").fingerprint(),
        source.split("test").fingerprint(),
        Shapes(9, 8, 64, 16, seed=0).split("train").fingerprint(),
        Shapes(8, 8, 65, 16, seed=0).split("train").fingerprint(),
        Shapes(8, 8, 64, 32, seed=0).split("train").fingerprint(),
        Shapes(8, 8, 64, 16, seed=1).split("train").fingerprint(),
        Shapes(8, 8, 64, 16, seed=0, grounds="palettes").split("train").fingerprint(),
        Shapes(8, 8, 64, 16, seed=0, grounds="textures").split("train").fingerprint(),
    }
    assert len(prints) == 8
    assert source.split("train").fingerprint() == Shapes(8, 3, 64, 16, seed=0).split("train").fingerprint()


@pytest.mark.parametrize("wrong", ["train_videos", "test_videos", "frames", "resolution", "seed"])
def test_impossible_worlds_are_refused_by_name(wrong):
    arguments = {"train_videos": 1, "test_videos": 1, "frames": 1, "resolution": 1, "seed": 0}
    Shapes(**arguments)
    with pytest.raises(ValueError, match=f"data.{wrong}"):
        Shapes(**{**arguments, wrong: -1})


def test_rendered_pixels_went_through_no_codec():
    assert world().codec == "none"
