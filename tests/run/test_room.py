"""What cannot fit is refused with the largest value that would."""

import re
from pathlib import Path

import pytest

from tats_exp.run import room
from tats_exp.run.disk import check_disk
from tats_exp.run.estimate import estimate_line, seen_of
from tats_exp.run.plan import make_plan
from tats_exp.run.planned import planned_stages
from tats_exp.run.room import Grows, Need, NoRoomError, in_bytes, refuse

SMOKE = ["scale=smoke", "logger=csv", "trainer=cpu", "threads=1"]


@pytest.mark.parametrize(
    "key, step, far",
    [
        ("long_frames", 16, 10**12 - 10**12 % 16),
        ("eval_videos", 1, 10**8),
        ("vqgan.training.batch_size", 1, 10**9),
        ("transformer.model.width", 2, 10**6),
    ],
)
def test_the_largest_value_that_is_told_fits_and_twice_as_much_does_not(
    key: str, step: int, far: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "main_memory", lambda: 2 * 10**8)
    with pytest.raises(
        NoRoomError, match=rf"{key}={far}\b.* of the stage .* the memory has 200 MB; allowed: "
    ) as error:
        make_plan([*SMOKE, f"{key}={far}"])
    largest = int(re.search(rf"(?:most|or) {re.escape(key)}=(\d+)", str(error.value))[1])
    assert largest % step == 0
    make_plan([*SMOKE, f"{key}={largest}"])
    with pytest.raises(NoRoomError):
        make_plan([*SMOKE, f"{key}={2 * largest + 2 * step}"])


def test_a_long_condition_and_its_words_count(monkeypatch: pytest.MonkeyPatch) -> None:
    make_plan([*SMOKE, "condition=text"])
    monkeypatch.setattr(room, "main_memory", lambda: 10**8)
    for key in ("condition.length", "condition.vocabulary_size"):
        with pytest.raises(NoRoomError, match=r"of the stage transformer take .* the memory has 100 MB"):
            make_plan([*SMOKE, "condition=text", f"{key}=1000000"])


def test_codes_count_as_far_as_the_data_have_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [*SMOKE, "codes.train_windows=1000000000", "data.train_videos=8", "vqgan.sizes.codes=4"]
    make_plan(asked)  # "all there are"
    monkeypatch.setattr("tats_exp.run.data_check.main_memory", lambda: 10**5)
    with pytest.raises(NoRoomError, match=r"codes of windows of the stage codes take 987 kB.* codes.train_windows="):
        make_plan(asked)


def test_losses_of_more_steps_than_the_disk_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 10**9
    monkeypatch.setattr("tats_exp.run.disk.free_disk", lambda _: 10**9)
    plan = make_plan([*SMOKE, f"store.root={tmp_path}", f"transformer.training.steps={steps}"])
    with pytest.raises(NoRoomError, match=rf"transformer.training.steps={steps}: losses .* the disk of store.root="):
        estimate_line(plan.configs, 1)


def test_a_full_disk_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = planned_stages(make_plan([*SMOKE, f"store.root={tmp_path}"]).configs)
    check_disk(planned, seen_of)
    monkeypatch.setattr("tats_exp.run.disk.free_disk", lambda folder: 1000)
    with pytest.raises(NoRoomError, match=r"the disk of store.root=.* has 1 kB"):
        check_disk(planned, seen_of)


def test_what_else_there_is_counts_too() -> None:
    needs = [Need("a", "codes", 60, (Grows("k", 6),)), Need("a", "rest", 30, ())]
    refuse(needs, "memory", 90)
    with pytest.raises(NoRoomError, match=r"k=6: codes of the stage a take 60 bytes, .* allowed: at most k=5"):
        refuse(needs, "memory", 80)


def test_several_needs_may_grow_with_one_key_by_other_powers_and_in_steps() -> None:
    linear, square = Grows("k", 100, step=8), Grows("k", 100, power=2, step=8)
    needs = [Need("a", "rows", 1000, (linear,)), Need("a", "pairs", 10_000, (square,))]
    with pytest.raises(NoRoomError, match=r"at most k=48$"):  # 480 + 2,304; with 56 it were 560 + 3,136
        refuse(needs, "memory", 3000)


def test_sizes_in_words() -> None:
    assert [in_bytes(size) for size in (999, 1000, 256 * 10**12, 10**20)] == ["999 bytes", "1 kB", "256 TB", "1e+05 PB"]
