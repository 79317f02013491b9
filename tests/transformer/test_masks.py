"""Who sees whom, against the sentences that define each mask."""

import itertools

import pytest
import torch
from torch.nn.attention import flex_attention
from torch.nn.functional import scaled_dot_product_attention

from tats_exp.transformer import attention_mask
from tats_exp.transformer.attention import block_mask
from tats_exp.transformer.masks import check_mask, visible_blocks

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


@pytest.mark.parametrize("mask", ["b", "c"])
def test_the_block_mask_of_the_gpu_kernels_is_the_dense_mask(mask, monkeypatch):
    """By the rule it asks pair by pair, by the blocks it skips, and by what attention under it gives on the CPU."""
    monkeypatch.setattr(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)  # compiling it takes seconds
    window = (5, 8, 8)  # three blocks of 128 positions a side
    blocks, dense = block_mask(mask, CONDITION, window, "cpu"), attention_mask(mask, CONDITION, window)
    count = len(dense)
    assert torch.equal(flex_attention.create_mask(blocks.mask_mod, 1, 1, count, count, device="cpu")[0, 0], dense)
    padded = torch.zeros(3 * 128, 3 * 128, dtype=torch.bool)
    padded[:count, :count] = dense
    seen = padded.reshape(3, 128, 3, 128).any(dim=3).any(dim=1)
    assert torch.equal(blocks.to_dense()[0, 0].bool(), seen) and not seen.all()
    query, key, value = torch.randn(3, 1, 2, count, 16, generator=torch.Generator().manual_seed(0))
    expected = scaled_dot_product_attention(query, key, value, attn_mask=dense)
    found = flex_attention.flex_attention(query, key, value, block_mask=blocks)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


OWN = (16 + 1) / 32  # a latent frame of 16 codes sees the past of itself: 16 * 17 / 2 of 16 * 16 pairs


@pytest.mark.parametrize(
    "mask, anchors_see_between, last_sees_between, between_sees_last", [("a", 0, 1, 0), ("b", 0, 1, 1), ("c", 0, 0, 1)]
)
def test_blocks_are_shares_of_pairs(
    mask: str, anchors_see_between: int, last_sees_between: int, between_sees_last: int
) -> None:
    blocks = visible_blocks(mask, 1, (5, 4, 4))
    assert blocks[:, 0].tolist() == [1] * 6  # all see the start
    assert blocks.diag()[2:5].tolist() == pytest.approx([OWN] * 3)
    assert blocks[1, 2:5].tolist() == [anchors_see_between] * 3
    assert blocks[5, 2:5].tolist() == [last_sees_between] * 3
    assert blocks[2:5, 5].tolist() == [between_sees_last] * 3
    assert blocks[4, 1:4].tolist() == [1] * 3 and blocks[2, 3:5].tolist() == [0, 0]
