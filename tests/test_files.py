import json
import threading

import torch

from tats_exp.files import atomic, load_tensors, read_tensors, save_tensors, write_json


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.json"
    with atomic(path) as mine:
        mine.write_text("[1]")
        other = threading.Thread(target=write_json, args=(path, [2]))
        other.start()
        other.join()
        assert json.loads(path.read_text()) == [2]
    assert json.loads(path.read_text()) == [1] and list(tmp_path.iterdir()) == [path]


def test_codes_are_stored_as_narrow_as_they_are_and_come_back_as_they_were(tmp_path):
    limits, path = torch.iinfo(torch.int16), tmp_path / "codes.safetensors"
    tensors = {
        "narrow": torch.tensor([limits.min, 0, limits.max]),
        "wide": torch.tensor([limits.max + 1]),
        "none": torch.zeros(0, dtype=torch.int64),
        "numbers": torch.rand(3, dtype=torch.float64),
    }
    save_tensors(path, tensors)
    stored = {name: value.dtype for name, value in read_tensors(path).items()}
    assert stored == dict.fromkeys(("narrow", "none"), torch.int16) | {"wide": torch.int32, "numbers": torch.float64}
    read = load_tensors(path)
    assert all(torch.equal(read[name], tensors[name]) and read[name].dtype == tensors[name].dtype for name in tensors)
