"""What a reader has to know of one column of values: its names, its unit, which way is good.

Measures declare columns, `metrics.json` holds them, and tables, verdicts, figures and the docs are made from them. This
file imports no torch, so that a report needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from tats_exp import UserError

TO_REAL, TO_REBUILT = "/to_real", "/to_rebuilt"
"""Ends of keys: which reference a distance was taken to. A key without either is of a run, to its rebuilt windows."""
Better = Literal["higher", "lower", "zero", "one"]


@dataclass(frozen=True)
class Column:
    """One column of values.

    `{network}` and `{classifier}` in key, title and phrase stand for the names of the networks that were asked.

    Attributes:
        key: log key, the same in W&B, CSV, table and figure. A `*` stands for a number; such a column is not in the
            table.
        title: two lines for the head of a column.
        explanation: one line that says what the value is.
        unit: of the values, for axes.
        better: which way is good; None if values of different choices must not be compared at all.
        phrase: what stands in a sentence of the verdict.
        in_table: whether the column is in the main table of a question that named no endpoint.
        is_curve: whether it holds one value per window of the generated videos, in place of one in all.
        never: the value counts windows until something happens: infinity, in files `never`, if it did not.
        ratio: the values are positive quantities, compared by their ratio: by differences of logarithms.
        protocol: the value depends on the evaluation protocol.
        figure: name of the figure that draws the values as bars, "" for none.
    """

    key: str
    title: tuple[str, str]
    explanation: str
    unit: str = ""
    better: Better | None = None
    phrase: str = ""
    in_table: bool = False
    is_curve: bool = False
    never: bool = False
    ratio: bool = False
    protocol: bool = False
    figure: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Column:
        """Read what `as_dict` wrote.

        Raises:
            UserError: a field is missing or of another type, as in what another version wrote; one line.
        """
        try:
            return _READER.validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise UserError(
                f"column {values.get('key')}: {field}: {first['msg']}: written by another version"
            ) from None

    def as_dict(self) -> dict[str, object]:
        """The fields by name, ready for JSON."""
        return asdict(self)

    def named(self, network: str, classifier: str) -> Column:
        """The column of values that these networks gave."""
        names = {"network": network, "classifier": classifier}
        title = (self.title[0].format(**names), self.title[1].format(**names))
        return replace(self, key=self.key.format(**names), title=title, phrase=self.phrase.format(**names))

    @property
    def arrow(self) -> str:
        """Which way is good, as a sign: `↑`, `↓`, `→0`, `→1`, or nothing."""
        return {"higher": "↑", "lower": "↓", "zero": "→0", "one": "→1", None: ""}[self.better]


_READER = TypeAdapter(Column)
