"""Which clips a training draws depends on its seed and step alone."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tats_exp.data.clips import Clips
from tats_exp.data.step_sampler import EpochSampler, StepSampler
from tests.data.counting import Counting


def test_resumed_training_draws_what_an_uninterrupted_one_would():
    whole = list(StepSampler(1000, 8, seed=4, steps=30))
    rest = StepSampler(1000, 8, seed=4, steps=30, start_step=11)
    assert list(rest) == whole[11:]
    assert whole != list(StepSampler(1000, 8, seed=5, steps=30))
    assert len({tuple(batch) for batch in whole}) == 30


def test_batches_cover_the_data_without_repeats_inside():
    drawn = [index for batch in StepSampler(10, 4, seed=0, steps=2000) for index in batch]
    shares = np.bincount(drawn, minlength=10) / len(drawn)
    assert len(shares) == 10 and abs(shares - 0.1).max() < 0.02
    assert all(len(set(batch)) == 4 for batch in StepSampler(5, 4, seed=1, steps=50))
    assert len(StepSampler(3, 8, seed=0, steps=1).batch(0)) == 8


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        StepSampler(0, 4, seed=0, steps=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_number_of_workers_changes_nothing(workers):
    clips = Clips(Counting([50, 40]), 4)
    loader = DataLoader(clips, batch_sampler=StepSampler(len(clips), 3, seed=7, steps=6), num_workers=workers)
    seen = [batch["video"][:, 0, 0, 0, :2].tolist() for batch in loader]
    assert seen == [
        [list(astuple) for astuple in ((clips.window(i).video, clips.window(i).start) for i in batch)]
        for batch in StepSampler(len(clips), 3, seed=7, steps=6)
    ]


VIDEOS = [4, 0, 0, 2, 4, 0, 2, 0, 7]  # of nine windows: four videos with 1 to 4 windows each


def test_an_epoch_takes_one_window_of_every_video_and_another_epoch_others():
    drawn = [index for batch in EpochSampler(VIDEOS, 3, seed=4, steps=400) for index in batch]
    epochs = np.array(drawn).reshape(-1, 4)
    of_video = np.array(VIDEOS)[epochs]
    assert (np.sort(of_video, axis=1) == [0, 2, 4, 7]).all()
    assert len({tuple(order) for order in of_video}) == 24  # in every order
    for video in set(VIDEOS):  # a video's windows come as often as one another
        counts = np.bincount(epochs[of_video == video], minlength=9)[np.array(VIDEOS) == video]
        assert abs(counts / len(epochs) - 1 / len(counts)).max() < 0.1


def test_a_resumed_epoch_goes_on_where_it_was_left_off_and_processes_share_it():
    whole = list(EpochSampler(VIDEOS, 6, seed=4, steps=30))
    assert list(EpochSampler(VIDEOS, 6, seed=4, steps=30, start_step=11)) == whole[11:]
    assert list(EpochSampler(VIDEOS, 6, seed=5, steps=30)) != whole
    shares = [list(EpochSampler(VIDEOS, 6, seed=4, steps=30, rank=rank, processes=2)) for rank in (0, 1)]
    assert [mine + other for mine, other in zip(*shares, strict=True)] == whole
