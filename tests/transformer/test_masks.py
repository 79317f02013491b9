"""Who sees whom, against the sentences that define each mask."""

import itertools

import pytest
import torch

from tats_exp.transformer import attention_mask
from tats_exp.transformer.masks import check_mask

CONDITION = 2
WINDOW = (4, 2, 2)
FRAME = 4


def role(position: int) -> str:
    if position < CONDITION:
        return "condition"
    return ("first", "between", "between", "last")[(position - CONDITION) // FRAME]


def allowed(mask: str, row: int, column: int) -> bool:
    if mask in ("causal", "a"):
        return column <= row
    if role(column) in ("condition", "first", "last"):
        return True
    if role(row) == "between":
        return column <= row
    return mask == "b" and role(row) == "last"


@pytest.mark.parametrize("mask", ["causal", "a", "b", "c"])
def test_every_pair_of_positions_follows_the_definition(mask):
    visible = attention_mask(mask, CONDITION, WINDOW)
    positions = range(CONDITION + 15)
    assert visible.shape == (17, 17)
    for row, column in itertools.product(positions, positions):
        assert bool(visible[row, column]) == allowed(mask, row, column), (row, column)


def test_mask_c_with_a_start_code_is_the_official_one():
    # All rows see the start code, the first frame and the last one, whose rows do not see those between; else causal.
    frame, length = 16, 80
    official = torch.ones(length, length).tril().bool()
    official[:, : frame + 1] = True
    official[:, -(frame - 1) :] = True
    official[-(frame - 1) :, frame + 1 : -(frame - 1)] = False
    official[: frame + 1, frame + 1 : -(frame - 1)] = False
    assert torch.equal(attention_mask("c", 1, (5, 4, 4)), official)


def test_unknown_masks_and_windows_without_a_frame_between_are_refused():
    with pytest.raises(ValueError, match="mask='d' is unknown; choose from causal, a, b, c"):
        check_mask("d", WINDOW)
    with pytest.raises(ValueError, match="at least 3 latent frames"):
        attention_mask("c", 1, (2, 4, 4))
