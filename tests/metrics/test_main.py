"""`python -m tats_exp.metrics`: the page of all columns in the docs is what the measures declare."""

from pathlib import Path

import pytest

from tats_exp.metrics.__main__ import made, main

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_docs_list_the_columns_that_there_are() -> None:
    assert made([]) == PAGE.read_text(encoding="utf-8"), "python -m tats_exp.metrics > docs/metrics.md"


def test_a_measure_that_is_left_out_is_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["~metrics.measures.leak"]) == 0
    printed = capsys.readouterr().out
    assert "leak/nll" not in printed and "codes/unchanged" in printed


def test_what_is_no_measure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["+metrics.measures.mine={_target_: collections.OrderedDict}"]) == 2
    error = capsys.readouterr().err.strip()
    assert error == (
        "tats_exp.metrics: metrics.measures.mine._target_=collections.OrderedDict: no Measure; allowed: subclasses of "
        "tats_exp.metrics.measure.Measure"
    )
