"""What all measures say together: declared columns, nothing twice, nothing made up where nothing was seen."""

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from metrics.made_findings import a_window, of_folders, of_run, rebuilt_windows
from tats_exp import UserError
from tats_exp.config.measures import build_measures
from tats_exp.config.schema import conf_dir
from tats_exp.metrics import Findings, Measure, Measurement
from tats_exp.metrics.evaluation import count_notes, evaluate
from tats_exp.run_folder.columns import Column

BUILT_IN = build_measures(OmegaConf.to_container(OmegaConf.load(conf_dir() / "metrics" / "shapes_cnn.yaml").measures))


class Gives(Measure):
    """Gives the values that it was made with."""

    columns = (Column("mine/value", ("mine", ""), "A value."), Column("mine", ("mine", ""), "A curve.", is_curve=True))

    def __init__(self, values: Mapping[str, float] | None = None, curves: Mapping[str, list[float]] | None = None):
        self.given = Measurement(dict(values or {}), curves or {})

    def __call__(self, findings: Findings) -> Measurement:
        return self.given


def test_a_run_gives_every_column_that_is_declared_but_those_of_folders_and_repeats() -> None:
    evaluation = evaluate(BUILT_IN, of_run())
    given = {*evaluation.values, *evaluation.rows[0]}
    lacking = [c.key for c in evaluation.columns if not fnmatch.filter(given, c.key)]
    # needs more videos than features on every half; needs repeats; are of folders
    lacking = [key for key in lacking if "/std" not in key and not key.endswith("/to_rebuilt")]
    assert set(lacking) <= {"fvd/net/extrapolated", "memorisation/nearest_other_real"}


def test_an_evaluation_of_folders_gives_what_needs_no_model() -> None:
    evaluation = evaluate(BUILT_IN, of_folders([a_window(20, 1), a_window(20, 2)]))
    kinds = {key.split("/")[0] for key in evaluation.values}
    assert kinds == {"layout", "diversity", "fvd", "kvd", "is", "coherence", "ccs", "ics", "drift", "memorisation"}
    assert set(evaluation.floors) == {"real"} and [row["window"] for row in evaluation.rows] == [0, 1]


def test_the_main_table_has_one_reference_the_rebuilt_one_where_there_is_one() -> None:
    folders = of_folders([a_window(20, 1), a_window(20, 2)])
    for findings, end in (
        (of_run(), ""),
        (folders, "/to_real"),
        (replace(folders, rebuilt=rebuilt_windows(windows=0, own=False)), "/to_rebuilt"),
    ):
        evaluation = evaluate(BUILT_IN, findings)
        shown = {c.key for c in evaluation.columns if c.in_table and c.key in evaluation.values}
        for key in ("layout/growth", "fvd/net/last"):
            assert [other for other in ("", "/to_real", "/to_rebuilt") if key + other in shown] == [end]


def test_every_value_of_the_table_can_be_told_in_a_sentence() -> None:
    for measure in BUILT_IN.values():
        for column in measure.columns:
            assert column.explanation.endswith(".") and "\n" not in column.explanation
            assert column.phrase or not column.in_table
            assert not (column.in_table and (column.is_curve or "*" in column.key))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Gives({"mine/other": 1.0}), "metrics.measures.mine: gives the value mine/other; declared: mine/value"),
        (Gives(curves={"mine/value": [1.0, 2.0]}), "gives the curve mine/value; declared: mine"),
    ],
)
def test_what_is_not_declared_is_refused(given: Measure, said: str) -> None:
    with pytest.raises(UserError) as error:
        evaluate({"mine": given}, of_folders([a_window(20, 1), a_window(20, 2)]))
    assert said in str(error.value)


def test_values_and_curves_of_all_measures_are_gathered() -> None:
    findings = of_folders([a_window(20, 1), a_window(20, 2)])
    evaluation = evaluate({**BUILT_IN, "mine": Gives({"mine/value": 3.0}, {"mine": [1.0, math.nan]})}, findings)
    assert evaluation.values["mine/value"] == 3.0 and evaluation.columns[-1].key == "mine"
    assert evaluation.rows[0]["mine"] == 1 and math.isnan(evaluation.rows[1]["mine"])
    assert evaluation.rows[0]["fvd/net/to_real"] == evaluation.values["fvd/net/window_0/to_real"]


def test_fewer_than_were_asked_for_are_noted() -> None:
    assert count_notes((8, 16), (8, 16)) == []
    (note,) = count_notes((8, 16), (5, 6))
    assert note.startswith(
        "5 generated videos against 6 real windows were measured in place of 8 generated videos against"
    )


class Says(Measure):
    """A measure that gives what it is told to."""

    columns = (Column("fvd/*", ("x", ""), "Anything."),)

    def __init__(self, given: object) -> None:
        self.given = given

    def __call__(self, findings: Findings) -> Measurement:
        return self.given  # type: ignore[return-value]


def test_a_measure_cannot_replace_what_another_gives() -> None:
    first, second = (Says(Measurement({"fvd/a": value})) for value in (1.0, 2.0))
    with pytest.raises(UserError, match=r"^metrics\.measures\.b: gives fvd/a, which another measure gives, too$"):
        evaluate({"a": first, "b": second}, of_run())
