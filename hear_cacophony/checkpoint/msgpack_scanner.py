"""Walks the msgpack of a Flax checkpoint and keeps the place of each parameter.

The format is that of `flax.serialization`: nested msgpack maps whose leaves are extension
type 1, an array as (shape, dtype name, bytes), or type 3, a NumPy scalar in the same form.
Arrays above 1 GiB are maps of flat chunks. What is not wanted is skipped by seeking, so that
memory is needed for names alone.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, TypeVar

import ml_dtypes
import numpy as np

from hear_cacophony.checkpoint.checkpoint import CheckpointError

PARAMETERS_PATH = ("0", "params")
CHUNK_MARK = "__msgpack_chunked_array__"
ARRAY, COMPLEX, SCALAR = 1, 2, 3
MAX_DEPTH = 64
MAX_NAME_BYTES = 65_536

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Leaf:
    """Where an array lies in the file: (offset, bytes) of each of its chunks, in order."""

    shape: tuple[int, ...]
    dtype: str
    pieces: tuple[tuple[int, int], ...]


_HEADERS: dict[int, tuple[str, str | int]] = {
    0xC4: ("bytes", ">B"),
    0xC5: ("bytes", ">H"),
    0xC6: ("bytes", ">I"),
    0xC7: ("ext", ">B"),
    0xC8: ("ext", ">H"),
    0xC9: ("ext", ">I"),
    0xCA: ("scalar", 4),
    0xCB: ("scalar", 8),
    0xCC: ("scalar", 1),
    0xCD: ("scalar", 2),
    0xCE: ("scalar", 4),
    0xCF: ("scalar", 8),
    0xD0: ("scalar", 1),
    0xD1: ("scalar", 2),
    0xD2: ("scalar", 4),
    0xD3: ("scalar", 8),
    0xD4: ("ext", 1),
    0xD5: ("ext", 2),
    0xD6: ("ext", 4),
    0xD7: ("ext", 8),
    0xD8: ("ext", 16),
    0xD9: ("string", ">B"),
    0xDA: ("string", ">H"),
    0xDB: ("string", ">I"),
    0xDC: ("array", ">H"),
    0xDD: ("array", ">I"),
    0xDE: ("map", ">H"),
    0xDF: ("map", ">I"),
}


class MsgpackScanner:
    """Walks one msgpack value, keeping the arrays under ['0']['params'].

    Attributes:
        entries: the names under ['0'] so far.
        found_parameters: whether 'params' is among them.
    """

    def __init__(self, stream: BinaryIO, file: pathlib.Path) -> None:
        self._stream = stream
        self._file = file
        self._size = os.fstat(stream.fileno()).st_size
        self._leaves: dict[str, Leaf] = {}
        self._top: list[str] = []
        self.entries: list[str] = []
        self.found_parameters = False

    def scan(self) -> dict[str, Leaf]:
        self._walk(())
        if self._stream.tell() != self._size:
            raise self._damaged("more bytes than the checkpoint needs")
        return self._leaves

    def outline(self) -> str:
        """The names at the top of the file, for an error message."""
        top = ", ".join(map(repr, self._top)) or "no names"
        return f"{top} at the top" + (f" and {', '.join(map(repr, self.entries))} under ['0']" if self.entries else "")

    def _walk(self, path: tuple[str, ...]) -> None:
        if len(path) > MAX_DEPTH:
            raise self._damaged(f"values nested deeper than {MAX_DEPTH}")
        kind, length = self._header()
        if kind == "map":
            self._walk_map(path, length)
        elif kind == "array":
            for i in range(length):
                self._walk((*path, str(i)))
        elif kind.startswith("ext"):
            self._walk_extension(path, int(kind[3:]), length)
        else:
            self._skip(length)

    def _walk_map(self, path: tuple[str, ...], length: int) -> None:
        if path == PARAMETERS_PATH:
            self.found_parameters = True
        for i in range(length):
            name = self._name()
            if i == 0 and name == CHUNK_MARK:
                self._walk_chunks(path, length)
                return
            self._remember_outline(path, name)
            self._walk((*path, name))

    def _walk_chunks(self, path: tuple[str, ...], length: int) -> None:
        """An array that Flax split: {mark, shape: {"0": n, ...}, chunks: {"0": array, ...}}."""
        self._walk(())  # the mark's value
        shape: dict[str, int] = {}
        chunks: dict[str, Leaf] = {}
        for _ in range(length - 1):
            part = self._name()
            for key in self._map_names():
                if part == "shape":
                    shape[key] = self._integer()
                elif part == "chunks":
                    chunks[key] = self._array_leaf()
                else:
                    raise self._damaged(f"an unknown part {part!r} of a split array")
        self._keep(path, self._join(tuple(self._in_order(shape)), self._in_order(chunks)))

    def _in_order(self, items: dict[str, T]) -> list[T]:
        """The items of a map whose names count from 0: Flax's form of a tuple."""
        names = [str(i) for i in range(len(items))]
        if items.keys() != set(names):
            raise self._damaged(f"a split array with parts named {', '.join(list(items)[:8])}")
        return [items[name] for name in names]

    def _join(self, shape: tuple[int, ...], chunks: list[Leaf]) -> Leaf:
        dtypes = {chunk.dtype for chunk in chunks}
        sizes = sum(math.prod(chunk.shape) for chunk in chunks)
        if len(dtypes) != 1 or sizes != math.prod(shape):
            raise self._damaged("a split array whose chunks do not make up its shape")
        return Leaf(shape, dtypes.pop(), tuple(piece for chunk in chunks for piece in chunk.pieces))

    def _walk_extension(self, path: tuple[str, ...], code: int, length: int) -> None:
        end = self._stream.tell() + length
        wanted = path[: len(PARAMETERS_PATH)] == PARAMETERS_PATH
        if wanted and code in (ARRAY, SCALAR):
            self._keep(path, self._array_body(end))
        else:
            self._skip(length)

    def _keep(self, path: tuple[str, ...], leaf: Leaf) -> None:
        if path[: len(PARAMETERS_PATH)] == PARAMETERS_PATH:
            self._leaves["/".join(path[len(PARAMETERS_PATH) :])] = leaf

    def _array_leaf(self) -> Leaf:
        kind, length = self._header()
        if kind != f"ext{ARRAY}":
            raise self._damaged(f"{kind} where an array was expected")
        return self._array_body(self._stream.tell() + length)

    def _array_body(self, end: int) -> Leaf:
        """(shape, dtype name, bytes); the bytes are left where they are."""
        if self._header() != ("array", 3):
            raise self._damaged("an array that is not (shape, dtype, bytes)")
        kind, dimensions = self._header()
        if kind != "array" or dimensions > MAX_DEPTH:
            raise self._damaged("an array without a shape")
        shape = tuple(self._integer() for _ in range(dimensions))
        dtype = self._name()
        kind, size = self._header()
        offset = self._stream.tell()
        if kind != "bytes" or offset + size != end or size != _byte_size(shape, dtype):
            raise self._damaged(f"an array of shape {shape} and dtype {dtype} with {size} bytes")
        self._skip(size)
        return Leaf(shape, dtype, ((offset, size),))

    def _remember_outline(self, path: tuple[str, ...], name: str) -> None:
        if path == ():
            self._top.append(name)
        elif path == ("0",):
            self.entries.append(name)

    def _map_names(self) -> Iterator[str]:
        kind, length = self._header()
        if kind != "map":
            raise self._damaged(f"{kind} where a map was expected")
        for _ in range(length):
            yield self._name()

    def _name(self) -> str:
        kind, length = self._header()
        if kind not in ("string", "bytes") or length > MAX_NAME_BYTES:
            raise self._damaged(f"{kind} of length {length} where a name was expected")
        try:
            return self._take(length).decode()
        except UnicodeDecodeError:
            raise self._damaged("a name that is not text") from None

    def _integer(self) -> int:
        code = self._take(1)[0]
        if code <= 0x7F:
            return code
        formats = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
        if code not in formats:
            raise self._damaged(f"the byte {code:#04x} where an integer was expected")
        value = self._unpack(formats[code])
        if value < 0:
            raise self._damaged("a negative size")
        return value

    def _header(self) -> tuple[str, int]:
        """Kind of the next value and its length: items of a container, otherwise bytes to come."""
        code = self._take(1)[0]
        if code <= 0x7F or code >= 0xE0 or code in (0xC0, 0xC2, 0xC3):
            return "scalar", 0
        if code <= 0x8F:
            return "map", code & 0x0F
        if code <= 0x9F:
            return "array", code & 0x0F
        if code <= 0xBF:
            return "string", code & 0x1F
        if code not in _HEADERS:
            raise self._damaged(f"the byte {code:#04x}, which is no msgpack")
        kind, length = _HEADERS[code]
        size = self._unpack(length) if isinstance(length, str) else length
        if kind == "ext":
            kind = f"ext{self._unpack('>b')}"
        return kind, size

    def _unpack(self, layout: str) -> Any:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size) if size <= self._size else b""
        if len(data) != size:
            raise self._truncated(self._stream.tell() - len(data) + size)
        return data

    def _skip(self, size: int) -> None:
        end = self._stream.tell() + size
        if end > self._size:
            raise self._truncated(end)
        self._stream.seek(end)

    def _truncated(self, needed: int) -> CheckpointError:
        return CheckpointError(
            f"{self._file}: truncated: expected at least {needed} bytes, found {self._size}; "
            "an interrupted download? fetch it again"
        )

    def _damaged(self, found: str) -> CheckpointError:
        return CheckpointError(
            f"{self._file}: damaged, or not a Flax checkpoint: {found} near byte {self._stream.tell()}"
        )


def _byte_size(shape: tuple[int, ...], dtype: str) -> int:
    """Bytes of an array, or -1 for a dtype that NumPy does not know."""
    try:
        item = np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
    except (TypeError, ValueError, SyntaxError):
        return -1
    return item * math.prod(shape)
