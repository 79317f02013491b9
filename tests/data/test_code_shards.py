from pathlib import Path

import pytest
import torch

from tats_exp import UserError
from tats_exp.data import code_shards
from tats_exp.data.code_shards import CodeShards, ShardWriter, read_shards
from tats_exp.data.codes import gaps, key_frames
from tats_exp.transformer.training import CodeWindows

CODES = torch.randint(16384, (10, 5, 2, 2), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = ShardWriter(tmp_path)
    for start in range(0, 10, 4):
        writer.write(CODES[start : start + 4])
    return tmp_path


def test_what_was_written_is_read_window_by_window_and_whole(folder: Path) -> None:
    shards = read_shards(folder)
    assert shards.shape == CODES.shape and torch.equal(shards.whole, CODES)
    assert all(torch.equal(shards[window], CODES[window]) for window in range(10))
    with pytest.raises(IndexError):
        shards[10]
    assert len([*folder.glob("train-*.safetensors")]) == 3
    assert sum(path.stat().st_size for path in folder.glob("train-*")) < CODES.numel() * 2 + 3 * 200


def test_files_are_mapped_not_read_into_memory(folder: Path) -> None:
    shards = read_shards(folder)
    path = folder / "train-00000.safetensors"
    content = bytearray(path.read_bytes())
    content[-2:] = (7).to_bytes(2, "little")  # the last code of the fourth window
    with path.open("r+b") as file:
        file.write(content)
    assert shards[3][-1, -1, -1] == 7


@pytest.mark.parametrize("harm", ["cut", "flip", "remove"])
def test_a_damaged_file_is_named_and_written_again(folder: Path, harm: str) -> None:
    path = folder / "train-00001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink() if harm == "remove" else path.write_bytes(content if harm == "flip" else content[:-3])
    with pytest.raises(UserError, match=r"train-00001\.safetensors is missing or damaged"):
        read_shards(folder)
    writer = ShardWriter(folder)
    assert writer.done == 4
    for start in range(4, 10, 4):
        writer.write(CODES[start : start + 4])
    assert torch.equal(read_shards(folder).whole, CODES)


@pytest.mark.parametrize("index", [None, "", "[]", "{}", "3", '[{"file": "train-00000.safetensors"}]'])
def test_without_a_good_index_nothing_counts_as_written(folder: Path, index: str | None) -> None:
    path = folder / code_shards.INDEX
    path.unlink() if index is None else path.write_text(index)
    assert ShardWriter(folder).done == 0
    with pytest.raises(UserError, match=r"shards\.json names no codes"):
        read_shards(folder)


@pytest.mark.parametrize(("cut", "key_every"), [(key_frames, 1), (key_frames, 2), (gaps, 2), (gaps, 4)])
def test_items_of_a_transformer_are_cut_from_windows_as_from_all_at_once(cut, key_every: int, folder: Path) -> None:
    condition = torch.arange(10)[:, None]
    windows = CodeWindows(condition, read_shards(folder), key_every, gaps=cut is gaps)
    at_once = cut(CODES, key_every)
    at_once = at_once.flatten(0, 1) if cut is gaps else at_once
    assert len(windows) == len(at_once) and windows.each * 10 == len(at_once)
    for item, codes in enumerate(at_once):
        assert torch.equal(windows[item]["codes"], codes.flatten())
        assert windows[item]["condition"].tolist() == [item // windows.each]


def test_shards_in_memory_are_those_given() -> None:
    assert torch.equal(CodeShards([CODES[:3], CODES[3:]]).whole, CODES)
