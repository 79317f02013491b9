import pytest
import torch

from tats_exp.metrics import windows


def numbered(frames: int) -> torch.Tensor:
    return torch.arange(2 * frames, dtype=torch.uint8).reshape(2, frames, 1, 1, 1)


@pytest.mark.parametrize("chunk", [1, 3, 4, 5, 8, 9, 30])
def test_windows_do_not_depend_on_the_chunks(chunk: int) -> None:
    video = numbered(22)
    made = list(windows(video.split(chunk, dim=1), 4))
    assert len(made) == 5  # the two frames left over are dropped
    assert torch.equal(torch.cat(made, dim=1), video[:, :20])


def test_a_window_comes_as_soon_as_its_frames_are_there() -> None:
    read = 0

    def chunks():
        nonlocal read
        for chunk in numbered(12).split(2, dim=1):
            read += 1
            yield chunk

    stream = windows(chunks(), 4)
    next(stream)
    assert read == 2


def test_length_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="length: 0"):
        next(windows([numbered(4)], 0))
