"""The frames of a FLAC file: the last one tells how many samples there are, whatever the header says."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import BinaryIO

from hear_cacophony.files.read_at import read_at

_STREAM = b"fLaC"
_FIRST_BLOCK = b"\x00\x00\x00\x22"
"""Head of the block of metadata that comes first, which more metadata follow."""

_MOST_OF_HEAD = 16
"""Bytes of a frame's head, and one more."""

_PIECE = 1 << 20
"""Bytes that are looked at together."""


@dataclasses.dataclass(frozen=True)
class _Frame:
    """The head of a frame.

    Attributes:
        kind: what all frames of a file have in common.
        number: of the frame, or of its first sample where sizes vary.
        size: samples of each channel in it.
    """

    kind: tuple[int, ...]
    number: int
    size: int

    def end(self, usual_size: int) -> int:
        """Samples of each channel up to its end."""
        varying = self.kind[0] & 1
        return self.number * (1 if varying else usual_size) + self.size


def count_samples(file: str | os.PathLike[str]) -> int | None:
    """Samples of each channel up to the end of the last frame of a FLAC file, whole or not.

    Returns:
        None where there is no frame.

    Raises:
        ValueError: several files are joined in it.
        OSError: it cannot be read.
    """
    with open(file, "rb") as stream:
        start, *others = [*_places(stream, _STREAM + _FIRST_BLOCK)] or [-1]  # behind a tag of ID3v2, perhaps
        if start < 0:
            return None
        if others:
            raise ValueError(
                f"expected one FLAC stream, another one begins at byte {others[0]}; were files joined? Cut it there"
            )
        begin = _behind_metadata(stream, start + len(_STREAM))
        head = read_at(stream, begin, _MOST_OF_HEAD)
        first = _parse(head)
        return None if first is None else (_last_frame(stream, begin, head[:2], first) or first).end(first.size)


def _last_frame(stream: BinaryIO, begin: int, sync: bytes, first: _Frame) -> _Frame | None:
    """The last frame of the kind of the first one, which starts with `sync` at `begin`."""
    stop = os.fstat(stream.fileno()).st_size
    while stop > begin:
        start = max(begin, stop - _PIECE)
        piece = read_at(stream, start, stop - start + _MOST_OF_HEAD)
        place = stop - start + 1
        while (place := piece.rfind(sync, 0, place + 1)) >= 0:
            frame = _parse(piece[place : place + _MOST_OF_HEAD])
            if frame is not None and frame.kind == first.kind:
                return frame
        stop = start
    return None


def _places(stream: BinaryIO, wanted: bytes) -> Iterator[int]:
    """All places of some bytes in a file."""
    start, rest = 0, b""
    stream.seek(0)
    while piece := stream.read(_PIECE):
        piece, place = rest + piece, -1
        while (place := piece.find(wanted, place + 1)) >= 0:
            yield start + place
        rest = piece[1 - len(wanted) :]
        start += len(piece) - len(rest)


def _behind_metadata(stream: BinaryIO, place: int) -> int:
    while len(head := read_at(stream, place, 4)) == 4:
        place += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    return place


def _parse(head: bytes) -> _Frame | None:
    """The frame that begins with these bytes, None if none does."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    size_code, rate_code, channel_code = head[2] >> 4, head[2] & 15, head[3] >> 4
    ones = 8 - (~head[4] & 0xFF).bit_length()  # at the beginning of a number, coded as UTF-8 does it
    place = 4 + max(1, ones)
    rest = head[5:place]
    if not size_code or rate_code == 15 or channel_code > 10 or ones in (1, 8) or any(b & 0xC0 != 0x80 for b in rest):
        return None
    number = head[4] & (0x7F >> ones)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    width = {6: 1, 7: 2}.get(size_code, 0)
    size = int.from_bytes(head[place : place + width], "big") + 1 if width else _size(size_code)
    place += width + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= place or _crc8(head[:place]) != head[place]:
        return None
    return _Frame((head[1], rate_code, head[3] & 0x0E, min(channel_code, 8) if channel_code != 1 else 8), number, size)


def _size(code: int) -> int:
    if code == 1:
        return 192
    return 576 << (code - 2) if code < 6 else 256 << (code - 8)


def _crc8(content: bytes) -> int:
    """The checksum of a frame's head: the polynomial x^8 + x^2 + x + 1."""
    value = 0
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
    return value
