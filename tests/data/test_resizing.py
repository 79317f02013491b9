import numpy as np

from tats_exp.data.resizing import chunks, crop_and_resize


def test_the_square_in_the_middle_is_kept():
    frames = np.zeros((2, 20, 40, 3), dtype=np.uint8)
    frames[:, :, 10:30] = 200
    frames[1] //= 2
    small = crop_and_resize(frames, 8)
    assert (small[0] == 200).all() and (small[1] == 100).all()
    assert np.array_equal(crop_and_resize(np.swapaxes(frames, 1, 2).copy(), 8), small)


def test_small_patterns_are_averaged_not_sampled():
    checkers = np.indices((64, 64)).sum(axis=0) % 2 * 255
    frames = np.broadcast_to(checkers[None, :, :, None], (1, 64, 64, 3)).astype(np.uint8)
    assert np.abs(crop_and_resize(frames, 8).astype(int) - 127).max() <= 4


def test_frames_of_the_right_size_are_left_alone():
    frames = np.random.default_rng(0).integers(256, size=(3, 16, 16, 3), dtype=np.uint8)
    assert np.array_equal(crop_and_resize(frames, 16), frames)


def test_frames_are_cut_into_pieces_by_their_bytes():
    assert chunks(range(3, 50, 2), 8, 8) == [range(3, 50, 2)]
    pieces = chunks(range(3, 50, 2), 2160, 3840)
    assert [index for piece in pieces for index in piece] == list(range(3, 50, 2)) and {len(p) for p in pieces} == {2}
    assert chunks(range(2), 8192, 8192) == [range(1), range(1, 2)]


def test_padding_is_black_and_the_same_on_both_sides():
    frames = np.full((1, 8, 16, 3), 200, np.uint8)
    padded = crop_and_resize(frames, 16, "pad")
    assert (padded[0, 4:12] == 200).all() and not padded[0, :4].any() and not padded[0, 12:].any()
    turned = crop_and_resize(frames.swapaxes(1, 2).copy(), 16, "pad")
    assert np.array_equal(turned, padded.swapaxes(1, 2))


def test_stretching_keeps_all_of_the_picture():
    frames = np.arange(64, dtype=np.uint8).reshape(1, 4, 16, 1).repeat(3, axis=3)
    assert np.abs(crop_and_resize(frames, 16, "stretch")[0, ::4, :, 0].astype(int) - frames[0, ..., 0]).max() <= 8
