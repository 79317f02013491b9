"""A hundred damaged videos: the process lives and no wrong frame comes; and if one did, it would be found."""

import numpy as np
import pytest

import fuzz_videos
from frames_from_start import wrong_frames
from fuzz_videos import LIMITS, PATIENCE, Examiner, Outcome, fuzz
from mutants import made, mutant
from tats_exp.data.judging import judged
from tats_exp.data.video_readers import open_reader

MUTATIONS = 100


@pytest.fixture(scope="module")
def originals():
    return made()


def test_a_mutant_is_made_again_from_its_number(originals):
    anew = made()
    for number in range(2 * len(originals)):
        first, again = mutant(originals, 5, number), mutant(anew, 5, number)
        assert first == again and first.kind == originals[number % len(originals)].kind
    different = [mutant(originals, 5, number) != originals[number % len(originals)] for number in range(100)]
    assert np.mean(different) > 0.9
    assert mutant(originals, 5, 0) != mutant(originals, 6, 0)


def test_damage_takes_nothing_down_and_gives_no_wrong_frame(originals, tmp_path):
    examiner = Examiner(originals, 0, tmp_path)
    try:
        outcomes = [examiner.examine(number) for number in range(MUTATIONS)]
    finally:
        examiner.judge.stop()
    assert [outcome for outcome in outcomes if outcome.findings] == []
    said = [outcome.said for outcome in outcomes]
    assert said.count("accepted") > 20 and said.count("refused") > 20
    assert not list(tmp_path.iterdir())


def test_whole_videos_are_all_accepted(originals, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz_videos, "mutant", lambda whole, seed, number: whole[number % len(whole)])
    examiner = Examiner(originals, 0, tmp_path)
    try:
        outcomes = [examiner.examine(number) for number in range(len(originals))]
    finally:
        examiner.judge.stop()
    assert all(outcome.said == "accepted" and not outcome.findings for outcome in outcomes)
    assert all(0 < outcome.seconds < PATIENCE and min(outcome.memory) > 0 for outcome in outcomes)


def test_what_would_be_a_finding_is_one(originals, tmp_path):
    for original in originals:
        path = original.write(tmp_path / original.kind)
        verdict, reader = judged(path, LIMITS), open_reader(path, 0, LIMITS)
        windows = [range(0, 6, 2), range(3, 6)]
        found = [reader.read(window) for window in windows]
        assert wrong_frames(path, 0, verdict, reader, windows, found) == []
        out_of_order = [found[0][[0, 2, 1]], found[1]]
        (line,) = wrong_frames(path, 0, verdict, reader, windows, out_of_order)
        assert line == "range(0, 6, 2): other frames than from the start at [2, 4]"
        (line,) = wrong_frames(path, 0, verdict, reader, windows, [found[0], found[1][:, :-1]])
        assert "(3, 47, 64, 3)" in line


def test_a_process_that_dies_or_raises_is_a_finding_and_the_rest_goes_on(originals, tmp_path):
    """A number that is none of a mutant makes the process that reads end."""
    outcomes = list(fuzz(originals, 0, [0, -1, 1], tmp_path))
    assert [outcome.number for outcome in outcomes] == [0, -1, 1]
    assert [bool(outcome.findings) for outcome in outcomes] == [False, True, False]
    assert outcomes[1] == Outcome(-1, originals[-1].kind, "refused", ["the process that reads died (1)"])
