"""Files that `torch.save` wrote, in any of its forms: read without running code from them, one tensor at a time.

A file is a zip archive with the pickled structure and the bytes of each storage as entries of their own, or, as
torch before 1.6 wrote it, pickles followed by the storages. Of a pickle, only containers are made; tensors become
their places in the file, and what else torch itself would load, or NumPy's, becomes an empty stand-in.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import torch

_DTYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexDouble": torch.complex128,
    "ComplexFloat": torch.complex64,
    "Untyped": torch.uint8,
}
"""Of the storages, by what their classes are called before "Storage"."""

_WEIGHTS_MODULES = ("torch", "torch._utils", "torch._tensor", "torch.nn.parameter", "torch.serialization")
"""Where the rest is of what torch loads with weights alone: devices, layouts, sparse and quantized tensors."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")
"""Bytes of the number that is pickled at the start of a file of torch before 1.6."""

_LOCAL_HEADER_BYTES = 30
_SIZE_BYTES = 8


class TorchFileError(ValueError):
    """A file that cannot be read as one of torch. The message says why."""


def damaged(reason: str) -> TorchFileError:
    """The error of a file that is not whole."""
    return TorchFileError(f"damaged or cut off ({reason.strip().splitlines()[0]}); fetch it again")


class ForeignContentError(TorchFileError):
    """A file with more than weights in it; `name` is that of the first class or function."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclasses.dataclass(eq=False)
class _Storage:
    """Where the bytes of a storage are: `place` in the file; None where an entry of an archive is compressed."""

    file: pathlib.Path
    dtype: torch.dtype
    size: int
    place: int | None = None
    entry: str = ""

    def fill(self, target: memoryview, offset: int) -> None:
        """Read the bytes from `offset` on."""
        if self.place is None:
            with zipfile.ZipFile(self.file) as archive:
                found = archive.read(self.entry)[offset : offset + len(target)]
            target[: len(found)] = found
            read = len(found)
        else:
            with self.file.open("rb") as stream:
                stream.seek(self.place + offset)
                read = stream.readinto(target)
        if read != len(target):
            raise damaged(f"expected {len(target)} bytes of a tensor, got {read}")


@dataclasses.dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor in a file."""

    storage: _Storage
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def read(self) -> torch.Tensor:
        """Its values, on the CPU; no more of the file is read.

        Raises:
            TorchFileError: they are not all in the file.
        """
        span = (
            1 + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True)) if all(self.shape) else 0
        )
        raw = torch.empty(span * self.dtype.itemsize, dtype=torch.uint8)
        self.storage.fill(raw.numpy().data, self.offset * self.dtype.itemsize)
        return raw.view(self.dtype).as_strided(self.shape, self.stride)


def read_torch_file(file: pathlib.Path) -> Any:
    """What a file holds, with a `StoredTensor` for each tensor.

    Raises:
        ForeignContentError: there are classes or functions in it that torch would not load with weights alone.
        TorchFileError: it is damaged, or of another form.
        Exception: whatever bytes that are no such file lead to.
    """
    with file.open("rb") as stream:
        if stream.read(2) == b"PK":
            return _read_archive(file)
        if tarfile.is_tarfile(file):
            raise TorchFileError(
                "a tar archive, as torch before 0.2 wrote it; load it with torch.load and save it anew"
            )
        stream.seek(0)
        return _read_legacy(file, stream)


def _read_archive(file: pathlib.Path) -> Any:
    with zipfile.ZipFile(file) as archive, file.open("rb") as stream:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
        if "constants.pkl" in entries:
            raise TorchFileError("a TorchScript archive, which holds code; save the state_dict() of the module in it")
        if "data.pkl" not in entries:
            raise TorchFileError(f"a zip archive with {', '.join(sorted(archive.namelist())[:3])}; unpack it first")
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            raise TorchFileError("written by a machine with the other order of bytes; save it on one such as this")

        def storage(dtype: torch.dtype, key: str, size: int) -> _Storage:
            entry = entries[f"data/{key}"]
            if entry.file_size != size:
                raise damaged(f"expected {size} bytes in the entry {entry.filename}, got {entry.file_size}")
            stored = entry.compress_type == zipfile.ZIP_STORED
            place = _first_byte(stream, entry) if stored else None
            return _Storage(file, dtype, size, place, entry.filename)

        with archive.open(entries["data.pkl"]) as pickled:
            return _Unpickler(pickled, storage).load()


def _first_byte(stream: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where the contents of an entry begin: behind its own header, whose last fields have another length each time."""
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL_HEADER_BYTES)
    return entry.header_offset + len(header) + sum(int.from_bytes(header[i : i + 2], "little") for i in (26, 28))


def _read_legacy(file: pathlib.Path, stream: BinaryIO) -> Any:
    storages: dict[str, _Storage] = {}

    def storage(dtype: torch.dtype, key: str, size: int) -> _Storage:
        return storages.setdefault(key, _Storage(file, dtype, size))

    def load() -> Any:
        return _Unpickler(stream, storage).load()

    magic, _, _ = load(), load(), load()  # then the version, and what machine it was
    if magic != int.from_bytes(LEGACY_MAGIC, "little"):
        raise TorchFileError("not a checkpoint of torch; a file that torch.save wrote is expected")
    content, keys = load(), load()
    length = os.fstat(stream.fileno()).st_size
    for key in keys:
        known = storages[key]
        size = int.from_bytes(stream.read(_SIZE_BYTES), "little") * known.dtype.itemsize
        known.place = stream.tell()
        if size != known.size or known.place + size > length:
            raise damaged(f"expected at least {known.place + known.size} bytes, got {length}")
        stream.seek(size, os.SEEK_CUR)
    return content


class _StandIn:
    """In place of what is not wanted: it takes everything, and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass

    def __call__(self, *_: object) -> _StandIn:
        return self


class UnreadTensor(_StandIn):
    """In place of a tensor of a kind that has no place in the file: sparse, nested, without values."""

    kind = "of a kind that is not read here"


class _Sparse(UnreadTensor):
    kind = "sparse"


class _Nested(UnreadTensor):
    kind = "nested"


class _Meta(UnreadTensor):
    kind = "without values, on the device meta"


class _Unpickler(pickle.Unpickler):
    """Makes containers and places of tensors, of pickles of any protocol."""

    def __init__(self, stream: Any, storage: Callable[[torch.dtype, str, int], _Storage]) -> None:
        super().__init__(stream, encoding="utf-8")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a class or function; nothing that does more than hold values."""
        known = _CLASSES.get(f"{module}.{name}")
        if known is not None:
            return known
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if module in ("torch", "torch.storage", "torch.cuda") and name.endswith("Storage"):
            if name.removesuffix("Storage") not in _DTYPES:
                raise TorchFileError(f"it holds tensors in storages {name}, which are not read here; save it as floats")
            return _DTYPES[name.removesuffix("Storage")]
        if module in _WEIGHTS_MODULES or module.split(".")[0] == "numpy":
            return UnreadTensor if name.startswith("_rebuild_") else _StandIn
        raise ForeignContentError(f"{module}.{name}")

    def persistent_load(self, told: Any) -> _Storage:
        """The storage that a pickle refers to."""
        if not isinstance(told, tuple):
            raise TorchFileError("pickled with protocol 0, which torch does not read either; save it anew")
        _, dtype, key, _, count, *view = told
        if view and view[0] is not None:
            raise TorchFileError("storages that are parts of others, as torch before 0.4 wrote them; save it anew")
        return self._storage(dtype, key, int(count) * dtype.itemsize)


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, stride: Any, *others: object) -> StoredTensor:
    if any(isinstance(each, dict) and (each.get("conj") or each.get("neg")) for each in others):
        raise TorchFileError("it holds conjugate or negative views of tensors; save them resolved: x.resolve_conj()")
    return _stored(storage, storage.dtype, offset, shape, stride)


def _rebuild_typed_tensor(
    storage: _Storage, offset: int, shape: Any, stride: Any, _: object, __: object, dtype: torch.dtype, *___: object
) -> StoredTensor:
    return _stored(storage, dtype, offset, shape, stride)


def _stored(storage: _Storage, dtype: torch.dtype, offset: int, shape: Any, stride: Any) -> StoredTensor:
    numbers = (offset, *shape, *stride)
    if len(shape) != len(stride) or not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise damaged(f"a tensor with offset {offset}, shape {shape} and stride {stride}")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if all(shape) and (last + 1) * dtype.itemsize > storage.size:
        raise damaged(f"a tensor of shape {shape} in a storage of {storage.size} bytes")
    return StoredTensor(storage, dtype, offset, tuple(shape), tuple(stride))


_CLASSES: dict[str, Any] = {
    "collections.OrderedDict": collections.OrderedDict,
    "collections.Counter": collections.Counter,
    "builtins.set": set,
    "builtins.bytearray": bytearray,
    "builtins.complex": complex,
    "__builtin__.set": set,
    "__builtin__.bytearray": bytearray,
    "_codecs.encode": lambda text, _: text.encode("latin-1"),
    "torch.Size": tuple,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed_tensor,
    "torch._utils._rebuild_sparse_tensor": _Sparse,
    "torch._utils._rebuild_sparse_csr_tensor": _Sparse,
    "torch._utils._rebuild_nested_tensor": _Nested,
    "torch._utils._rebuild_meta_tensor_no_storage": _Meta,
    "torch._tensor._rebuild_from_type_v2": lambda rebuild, _, arguments, __: rebuild(*arguments),
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
}
