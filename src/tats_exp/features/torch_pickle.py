"""The pickle that `torch.save` wrote, with what is to be known of each tensor in its place. Nothing of it is run.

`torch.load` knows whom a pickle may call, and lets it take what it asks for: a hundred bytes can ask for a `bytearray`
of terabytes. Nothing is called here that takes memory.
"""

import io
import math
import pickle
from argparse import Namespace
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
MOST_AXES = 8
LONGEST_NAME = 200
"""Characters of a name that a message may hold."""
IGNORED = {
    f"{module}.{name}"
    for module, names in {
        "builtins": ("bytearray", "complex", "set"),
        "__builtin__": ("bytearray", "complex", "set"),
        "collections": ("Counter",),
        "_codecs": ("encode",),
        "torch": ("Size", "device", *(name for name, value in vars(torch).items() if isinstance(value, torch.dtype))),
        "pytorch_lightning.callbacks.model_checkpoint": ("ModelCheckpoint",),
    }.items()
    for name in names
}
"""What stands in checkpoints beside weights and arguments and is not used; some of it takes memory when it is called.

Lightning before 1.5 kept the states of callbacks under their class.
"""


class Refused(pickle.UnpicklingError):
    """What is wrong with a file, in the words for its user."""


@dataclass(frozen=True)
class Storage:
    """Numbers that lie side by side: their dtype (None where no weight has it), name in the file and how many."""

    dtype: torch.dtype | None
    key: str
    numel: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is in a file and not read yet; names as in torch."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def is_floating_point(self) -> bool:
        """Whether its numbers are floats."""
        return self.storage.dtype is not None and self.storage.dtype.is_floating_point

    @property
    def extent(self) -> int:
        """Numbers of the storage from its first to its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return math.prod(self.shape) * (self.storage.dtype.itemsize if self.storage.dtype else 0)


class _Entries(OrderedDict[Any, Any]):
    """An `OrderedDict` that is never a copy of what a pickle names: a thousand copies are ten bytes each there."""

    def __init__(self) -> None:
        super().__init__()


def _ignore(*_: Any) -> None:
    """Stands for what is never used."""


def _rebuild(storage: object, offset: object, size: object, stride: object, *_: Any) -> StoredTensor:
    """Takes the place of `torch._utils._rebuild_tensor_v2`, and of its predecessor, which ends after the stride."""
    axes = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= MOST_AXES
    if (
        not axes
        or not isinstance(storage, Storage)
        or any(
            type(number) is not int or number < 0
            for number in (offset, *size, *stride)  # type: ignore[misc]
        )
    ):
        raise Refused("damaged, a tensor in it is none")
    tensor = StoredTensor(storage, offset, size, stride)  # type: ignore[arg-type]
    if tensor.offset + tensor.extent > tensor.storage.numel:
        raise Refused("damaged, a tensor in it claims more than its storage has")
    return tensor


def _rebuild_parameter(data: StoredTensor, *_: Any) -> StoredTensor:
    return data


_KNOWN: dict[str, Any] = {
    "collections.OrderedDict": _Entries,
    "argparse.Namespace": Namespace,
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    **dict.fromkeys(IGNORED, _ignore),
}
# Those that torch.save writes; newer ones take memory on their word. So does what pickle's C does with a number of its
# memo, and so this is the unpickler in Python.
_OPERATIONS = (
    *(pickle.PROTO, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
    *(pickle.BINFLOAT, pickle.BINUNICODE, pickle.SHORT_BINSTRING, pickle.BINSTRING),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.EMPTY_LIST, pickle.LIST, pickle.APPEND, pickle.APPENDS),
    *(pickle.EMPTY_DICT, pickle.DICT, pickle.SETITEM, pickle.SETITEMS),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET),
    *(pickle.GLOBAL, pickle.BINPERSID),
)


class TensorUnpickler(pickle._Unpickler):
    """Reads one pickle.

    Attributes:
        storages: that its tensors lie in, by their names.
    """

    def __init__(self, file: io.BytesIO) -> None:
        """Take the file; strings that Python 2 wrote are read byte by byte."""
        super().__init__(file, encoding="latin1")
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name."""
        if module in ("torch", "torch.cuda") and name.endswith("Storage"):
            return name
        try:
            return _KNOWN[f"{module}.{name}"]
        except KeyError:
            function = f"{module}.{name}"[:LONGEST_NAME]
            raise Refused(
                f"refused, {function} in it could run code; allowed: tensors, numbers, text and argparse.Namespace"
            ) from None

    def persistent_load(self, pid: Any) -> Storage:
        """Note a storage."""
        kind, name, key, _, numel = pid[:5]
        kinds = (kind, type(name), type(key), type(numel)) == ("storage", str, str, int)
        if not kinds or numel < 0 or pid[5:] not in ((), (None,)) or len(key) > LONGEST_NAME:
            raise Refused("damaged, a storage in it is none")
        storage = Storage(DTYPES.get(name), key, numel)
        if self.storages.setdefault(key, storage) != storage:
            raise Refused(f"damaged, storage {key} is two")
        return storage

    def load_reduce(self) -> None:
        """Call what stands for a function; long arguments, which a pickle can give a thousand times, are for none."""
        arguments, function = self.stack.pop(), self.stack[-1]  # type: ignore[attr-defined]
        if function is not _ignore and len(arguments) > MOST_AXES:
            raise Refused("damaged, a function in it has too many arguments")
        self.stack[-1] = None if function is _ignore else function(*arguments)  # type: ignore[attr-defined]

    def load_newobj(self) -> None:
        """Make an object."""
        _, kind = self.stack.pop(), self.stack[-1]  # type: ignore[attr-defined]
        self.stack[-1] = None if kind is _ignore else kind.__new__(kind)  # type: ignore[attr-defined]

    def load_build(self) -> None:
        """Give an object its state: only that of arguments is wanted."""
        state, instance = self.stack.pop(), self.stack[-1]  # type: ignore[attr-defined]
        if isinstance(instance, Namespace) and isinstance(state, dict):
            instance.__dict__ = state

    dispatch = {operation[0]: pickle._Unpickler.dispatch[operation[0]] for operation in _OPERATIONS} | {
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.BUILD[0]: load_build,
    }  # type: ignore[assignment]
