"""Clips in parts: none is lost, none is left alone, and threads that share them change no number."""

from collections.abc import Iterator
from threading import Barrier, Thread

import pytest
import torch

from tats_exp.features.clip_batches import in_parts, shared_out, side_by_side, split_clips

THREADS = 3


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    assert torch.get_num_threads() == THREADS
    torch.set_num_threads(before)


def clips(count: int, frames: int = 16) -> torch.Tensor:
    return torch.randint(256, (count, frames, 4, 4, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.mark.parametrize("frames, limit", [(16, 32), (16, 512), (16, 48), (40, 32), (10, 32)])
@pytest.mark.parametrize("count", range(1, 12))
def test_parts_join_to_the_whole_and_no_clip_is_left_alone(count: int, frames: int, limit: int) -> None:
    video = clips(count, frames)
    parts = split_clips(video, limit)
    assert torch.equal(torch.cat(parts), video)
    size = max(1, limit // frames)
    assert all(len(part) == size for part in parts[:-1]) and len(parts[-1]) <= size + 1
    assert size == 1 or count == 1 or all(len(part) > 1 for part in parts)


@pytest.mark.parametrize("frames, limit", [(16, 32), (16, 48), (40, 32), (10, 32)])
@pytest.mark.parametrize("count", [*range(1, 20), 63, 100, 128])
def test_parts_are_shared_out_evenly(count: int, frames: int, limit: int) -> None:
    video = clips(count, frames)
    parts = shared_out(video, limit)
    sizes = [len(part) for part in parts]
    assert torch.equal(torch.cat(parts), video)
    size = max(1, limit // frames)
    assert max(sizes) <= 2 * size and (size == 1 or count == 1 or min(sizes) > 1)
    if size > 1:
        assert max(sizes) - min(sizes) <= 1
        for threads in (2, 4, 8, 16):
            assert len(parts) % threads == 0 or len(parts) < threads or count < threads * size


@pytest.mark.parametrize("count, sizes", [(6, [3, 3]), (8, [2] * 4), (10, [3, 3, 2, 2]), (12, [3] * 4), (3, [3])])
def test_nothing_is_left_over_for_one_of_two_threads(count: int, sizes: list[int]) -> None:
    assert [len(part) for part in shared_out(clips(count), 32)] == sizes


def test_each_part_has_one_thread_and_comes_out_in_its_place(threads: None) -> None:
    seen: list[tuple[int, bool, bool]] = []

    def look(video: torch.Tensor) -> torch.Tensor:
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
        return video.float().mean((1, 2, 3))

    video = clips(11)
    with torch.inference_mode():
        found = in_parts(look, video)
    assert torch.equal(found, video.float().mean((1, 2, 3)))
    assert seen == [(1, True, False)] * 4
    seen.clear()
    with torch.no_grad():
        in_parts(look, video)
    assert seen == [(1, False, False)] * 4
    later: list[int] = []
    thread = Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [THREADS], "a thread that begins later has what was asked for"
    for alone in ({"in_turn": True}, {}):
        seen.clear()
        with torch.autocast("cpu", torch.bfloat16, enabled=not alone):
            in_parts(look, video, **alone)
        assert seen == [(THREADS, False, True)] * 5


def test_what_goes_wrong_in_a_part_is_told(threads: None) -> None:
    def look(video: torch.Tensor) -> torch.Tensor:
        raise ValueError("not such a clip")

    with pytest.raises(ValueError, match="not such a clip"):
        in_parts(look, clips(6))


def test_side_by_side_is_what_it_says(threads: None) -> None:
    """Two parts meet: each waits for the other."""
    meeting = Barrier(2)

    def meet(part: torch.Tensor) -> torch.Tensor:
        meeting.wait(timeout=30)
        return part

    assert len(side_by_side(meet, [torch.zeros(1), torch.ones(1)], 2)) == 2
