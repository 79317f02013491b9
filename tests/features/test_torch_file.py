"""Files of torch.save: the same tensors as torch reads, and no memory taken for what a file claims."""

import io
import os
import pickle
import struct
import zipfile
from argparse import Namespace
from collections import Counter, OrderedDict

import pytest
import torch

from tats_exp import UserError
from tats_exp.features import torch_file
from tats_exp.features.torch_file import MAGIC, PROTOCOL, TorchFile


class Call:
    """A call of a function that a pickle asks for."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Stored:
    """A storage as it is named in a pickle."""

    def __init__(self, numel, key="0", kind=torch.FloatStorage):
        self.pid = ("storage", kind, key, "cpu", numel)


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.pid if isinstance(thing, Stored) else None


def pickled(content):
    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(content)
    return buffer.getvalue()


def tensor(size, stride, storage, offset=0):
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict())


def archive(path, structure, storages=(bytes(16),), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", structure, compression)
        for key, content in enumerate(storages):
            file.writestr(f"x/data/{key}", content)
    return path


def legacy(path, content, *numels):
    storages = b"".join(struct.pack("<q", numel) + bytes(16) for numel in numels)
    heads = (MAGIC, PROTOCOL, {"little_endian": True}, content, [str(key) for key in range(len(numels))])
    path.write_bytes(b"".join(map(pickled, heads)) + storages)
    return path


def refusal(path):
    """The one line that says why a file, or a tensor in it, cannot be read."""
    with pytest.raises(UserError) as caught:
        file = TorchFile(path)
        file.tensors(file.content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    return str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_those_that_torch_reads(tmp_path, zipped):
    whole = torch.arange(24.0).reshape(2, 3, 4)
    state = {
        "whole": whole,
        "turned": whole.permute(2, 0, 1),
        "part": whole[1],
        "parameter": torch.nn.Parameter(whole.double()),
        "half": whole.half(),
        "brain": whole.bfloat16(),
        "count": torch.tensor(3),
        "none": torch.zeros(0, 4),
    }
    beside = {"set": {1, 2}, "dtype": torch.float32, "size": whole.size(), "device": whole.device, "c": Counter("aab")}
    args = Namespace(lr=1e-4, downsample=(4, 4, 4), name="é", huge=2**200, flag=True)
    content = {"state": OrderedDict(state), "args": args, "flags": torch.ones(3, dtype=torch.bool), **beside}
    path = tmp_path / os.fsdecode(b"caf\xe9=12.ckpt")
    with path.open("wb") as writing:
        torch.save(content, writing, _use_new_zipfile_serialization=zipped)
    file = TorchFile(path)
    assert file.content["args"] == args and list(file.content) == list(content)
    read = file.tensors(file.content["state"])
    assert list(read) == list(state)
    for name, value in state.items():
        assert torch.equal(read[name], value) and read[name].dtype == value.dtype and not read[name].requires_grad


def test_only_what_is_wanted_is_read(tmp_path):
    torch.save({"wanted": torch.ones(4), "other": torch.full((4,), torch.nan)}, tmp_path / "a.pt")
    file = TorchFile(tmp_path / "a.pt")
    assert torch.equal(file.tensors({"wanted": file.content["wanted"]})["wanted"], torch.ones(4))
    assert refusal(tmp_path / "a.pt") == "other holds values that are not finite"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (tensor((4,), (1,), Stored(10**12)), "storage 0 claims 1000000000000 numbers, 16 bytes are there"),
        (tensor((4,), (1,), Stored(4, "9")), "storage 9 claims 4 numbers, 0 bytes are there"),
        (tensor((10**12,), (1,), Stored(4)), "a tensor in it claims more than its storage has"),
        (tensor((4,), (1,), Stored(4), offset=1), "a tensor in it claims more than its storage has"),
        (tensor((10**12,), (0,), Stored(4)), "its tensors take 4000000000000 bytes, more than the"),
        (tensor((10**6, 0), (10**6, 1), Stored(0)), None),
        (tensor((2, 2), (0, 1), Stored(4)), "a is not stored in one piece"),
        (tensor((-4,), (1,), Stored(4)), "a tensor in it is none"),
        (tensor((4,), (1, 1), Stored(4)), "a tensor in it is none"),
        (tensor((1,) * 9, (1,) * 9, Stored(4)), "a tensor in it is none"),
        (tensor((4.0,), (1,), Stored(4)), "a tensor in it is none"),
        (tensor((4,), (1,), "0"), "a tensor in it is none"),
        (tensor((4,), (1,), Stored(-4)), "a storage in it is none"),
        (tensor((4,), (1,), Stored(4, ("0",))), "a storage in it is none"),
        (tensor((2,), (1,), Stored(2, kind=torch.ComplexFloatStorage)), "a is of a type that no weight has"),
        (tensor((4,), (1,), Stored(4, kind=torch.ByteStorage)), "a is of a type that no weight has"),
        (Call(OrderedDict, (("a", 1),) * 10), "damaged"),
        (Call(torch._utils._rebuild_tensor_v2, *range(10**5)), "a function in it has too many arguments"),
        (Call(os.mkdir, "made"), r"refused, posix.mkdir in it could run code; allowed: tensors"),
        (Call(torch.nn.Linear, 10**6, 10**6), "refused, torch.nn.modules.linear.Linear in it could run"),
        (
            Call(torch._utils._rebuild_meta_tensor_no_storage, torch.float32, (10**9,), (1,), False),
            "refused, torch",
        ),
    ],
)
def test_what_a_tensor_claims_is_held_against_the_file(tmp_path, content, why):
    path = archive(tmp_path / "a.pt", pickled({"a": content}))
    if why is None:
        assert TorchFile(path).tensors(TorchFile(path).content)["a"].numel() == 0
    else:
        assert why in refusal(path)


def test_what_takes_memory_when_it_is_called_is_not_called(tmp_path):
    file = TorchFile(archive(tmp_path / "a.pt", pickled({"a": Call(bytearray, 10**8), "b": {1}, "c": Counter("a")})))
    assert file.content == {"a": None, "b": None, "c": None}


def test_many_names_of_one_storage_are_no_more_than_the_file(tmp_path):
    storage = bytes(4 * 10**5)
    content = {str(name): tensor((10**5,), (1,), Stored(10**5)) for name in range(10)}
    assert "its tensors take 4000000 bytes, more than" in refusal(
        archive(tmp_path / "a.pt", pickled(content), [storage])
    )


@pytest.mark.parametrize(
    "structure",
    [
        pickle.PROTO + b"\x05" + pickle.BYTEARRAY8 + struct.pack("<q", 10**9),
        pickle.PROTO + b"\x04" + pickle.FRAME + struct.pack("<q", 10**9),
        pickle.PROTO + b"\x02" + pickle.BINUNICODE + struct.pack("<I", 2**31) + b"a",
        pickle.PROTO + b"\x02" + pickle.LONG4 + struct.pack("<I", 2**31 - 1) + b"a",
        b"I" + b"1" * 4000 + b"\n.",
        pickle.GLOBAL + b"argparse\nNamespace\n" + pickle.NONE + pickle.EMPTY_DICT + pickle.TUPLE2 + pickle.BUILD,
        b"",
    ],
)
def test_operations_that_take_memory_or_change_classes_are_refused(tmp_path, structure):
    assert refusal(archive(tmp_path / "a.pt", structure)) == "damaged, cut off or no checkpoint"


def test_a_number_in_the_memo_takes_no_memory(tmp_path):
    """In C, a list of 2^31 pointers is made for it."""
    structure = pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f" + pickle.STOP
    assert TorchFile(archive(tmp_path / "a.pt", structure)).content == {}


def test_a_class_keeps_its_state(tmp_path):
    state = pickled((None, {"made": 1}))[2:-1]
    structure = pickle.PROTO + b"\x02" + pickle.GLOBAL + b"argparse\nNamespace\n" + state + pickle.BUILD + pickle.STOP
    assert TorchFile(archive(tmp_path / "a.pt", structure)).content is Namespace
    assert not hasattr(Namespace, "made")


def test_an_archive_is_looked_at_first(tmp_path, monkeypatch):
    whole = pickled({"a": tensor((4,), (1,), Stored(4))})
    packed = archive(tmp_path / "a.pt", whole, compression=zipfile.ZIP_DEFLATED)
    assert "x/data.pkl in it is compressed" in refusal(packed)
    with zipfile.ZipFile(archive(tmp_path / "b.pt", whole), "a") as file:
        file.writestr("x/byteorder", "big")
    assert "another order of bytes" in refusal(tmp_path / "b.pt")
    torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "c.pt"))
    assert "damaged" in refusal(tmp_path / "c.pt")
    monkeypatch.setattr(torch_file, "MOST_STRUCTURE", 50)
    assert f"its structure takes {len(whole)} bytes; allowed: 50" in refusal(archive(tmp_path / "d.pt", whole))


@pytest.mark.parametrize(
    ("claimed", "numels", "why"),
    [
        (4, [4], None),
        (10**12, [10**12], "it claims more tensors than it has"),
        (10**12, [4], "storage 0 is not what it says"),
        (4, [], "it claims more tensors than it has"),
        (4, [4, 4], "damaged"),
        (4, [-4], "storage 0 is not what it says"),
    ],
)
def test_old_files_are_held_against_their_bytes(tmp_path, claimed, numels, why):
    path = legacy(tmp_path / "a.pt", {"a": tensor((4,), (1,), Stored(claimed))}, *numels)
    if why is None:
        assert TorchFile(path).tensors(TorchFile(path).content)["a"].tolist() == [0.0] * 4
    else:
        assert why in refusal(path)


def test_a_file_that_another_process_cuts_off_is_one_line(tmp_path):
    torch.save({"a": torch.ones(10_000)}, tmp_path / "a.pt")
    file = TorchFile(tmp_path / "a.pt")
    os.truncate(tmp_path / "a.pt", 20_000)
    with pytest.raises(UserError, match="has changed since it was opened"):
        file.tensors(file.content)
    assert "damaged, cut off or no checkpoint" in refusal(tmp_path / "a.pt")
