"""Columns are written and read back, name the networks, and say what may be compared."""

import json
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


def test_which_way_is_good() -> None:
    assert (FVD.arrow, replace(FVD, better="one").arrow, replace(FVD, better=None).arrow) == ("↓", "→1", "")
