"""Columns are written and read back, name the networks, and say what may be compared."""

import json
import math
from dataclasses import replace

import pytest

from tats_exp import UserError
from tats_exp.run_folder.columns import Column

FVD = Column("fvd/{network}/last", ("FVD {network}", "last"), "A distance.", "", "lower", "FVD ({network})", True)


def test_a_column_is_read_back_from_json() -> None:
    assert Column.from_dict(json.loads(json.dumps(FVD.as_dict()))) == FVD


@pytest.mark.parametrize("change", [{"better": "louder"}, {"title": "FVD"}, {"key": None}])
def test_what_another_version_wrote_is_refused_in_one_line(change: dict[str, object]) -> None:
    with pytest.raises(UserError, match="another version") as error:
        Column.from_dict(FVD.as_dict() | change)
    assert "\n" not in str(error.value)


def test_networks_are_named_wherever_they_stand() -> None:
    named = FVD.named("i3d", "c3d")
    assert (named.key, named.title[0], named.phrase) == ("fvd/i3d/last", "FVD i3d", "FVD (i3d)")


def test_never_is_later_than_any_number_and_missing_is_no_number() -> None:
    assert replace(FVD, never=True).numbers([None, 3.0]) == [math.inf, 3.0]
    assert FVD.numbers([None, 3.0]) == [3.0]


def test_which_way_is_good() -> None:
    assert (FVD.judge(higher=True), FVD.arrow) == ("worse", "↓")
    assert (replace(FVD, better="higher").judge(higher=True), replace(FVD, better="one").judge(True)) == ("better", "")


def test_only_a_floored_column_has_values_within_its_floor() -> None:
    floored = replace(FVD, floored=True)
    assert floored.within_floor(3.3, 1.7) and not floored.within_floor(3.5, 1.7)
    assert not floored.within_floor(1.0, None) and not FVD.within_floor(1.0, 1.7)
