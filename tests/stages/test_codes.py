"""The codes of a condition are held against what it says of itself."""

import pytest
import torch

from tats_exp import UserError
from tats_exp.data.shapes import Shapes
from tats_exp.data.windows import Window
from tats_exp.stages.codes import checked_codes
from tats_exp.transformer.conditions import Label, Unconditional

VIDEOS = Shapes(train_videos=8, test_videos=1, frames=16, resolution=8, seed=0).split("train")
WINDOWS = [Window(3, 0), Window(5, 0)]


@pytest.mark.parametrize("given", [[[16], [0]], [[-1], [0]], [[0, 0], [0, 0]], [[0]], [[0.0], [1.0]]])
def test_codes_of_another_kind_are_refused(given: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Label, "codes", lambda *_: torch.tensor(given))
    with pytest.raises(UserError, match=r"^condition: gave .* wanted are int64 codes 0\.\.15 of shape \(2, 1\)$"):
        checked_codes(Label(), VIDEOS, WINDOWS, {})


def test_codes_of_ours_are_taken() -> None:
    assert checked_codes(Label(), VIDEOS, WINDOWS, {}).tolist() == [[3], [5]]
    assert checked_codes(Unconditional(), VIDEOS, WINDOWS, {}).tolist() == [[0], [0]]
