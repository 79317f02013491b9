"""Curves and losses are read back to the bit."""

import math
from pathlib import Path

import pytest

from tats_exp import UserError
from tats_exp.run_folder import CURVES, read_columns, read_losses, write_losses, write_table


def test_columns_are_read_back_to_the_bit(tmp_path: Path) -> None:
    rows = [{"window": 0, "fvd/net": 0.1 + 0.2}, {"window": 1, "fvd/net": float("nan")}]
    write_table(tmp_path / CURVES, rows)
    columns = read_columns(tmp_path / CURVES)
    assert columns["window"] == [0, 1] and columns["fvd/net"][0] == 0.1 + 0.2 and math.isnan(columns["fvd/net"][1])
    assert read_columns(tmp_path / "none.csv") == {}


def test_losses_are_read_back_by_stage_and_key(tmp_path: Path) -> None:
    write_losses(tmp_path, {"vqgan": [(0, "a", 1 / 3), (0, "b", 2.0), (5, "a", 0.25)], "transformer": [(0, "a", 7.0)]})
    assert read_losses(tmp_path) == {
        ("vqgan", "a"): ([0, 5], [1 / 3, 0.25]),
        ("vqgan", "b"): ([0], [2.0]),
        ("transformer", "a"): ([0], [7.0]),
    }
    (tmp_path / "losses.csv").write_text("stage,step,key,value\nvqgan,1,a,")
    with pytest.raises(UserError, match=r"^losses\.csv: '' is no number"):
        read_losses(tmp_path)
