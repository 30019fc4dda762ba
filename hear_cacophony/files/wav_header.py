"""What the header of a WAV file says: where its samples lie, and whether it knows how many they are."""

from __future__ import annotations

import dataclasses
import struct

HEAD_BYTES = 512
"""Enough of a file for the header of a plain one."""

_PLACEHOLDERS = (0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Sizes that programs leave in the header which write WAV to a pipe, or were ended before they knew the size."""

_UNBELIEVABLE = 1 << 62
"""Sizes of 64 bits from here on stand for none."""

_NEAR = 4096
"""How far from these a size may be: some programs add or subtract the bytes of the header."""


def is_placeholder(size: int) -> bool:
    """Whether a size in a header stands for one that was not known."""
    return size == 0 or size >= _UNBELIEVABLE or any(abs(size - each) <= _NEAR for each in _PLACEHOLDERS)


@dataclasses.dataclass(frozen=True)
class PlainHeader:
    """The header of a file of 16-bit PCM samples, whose samples can be read without a decoder.

    Attributes:
        rate: samples per second.
        channels: samples at a time.
        frames: number of times.
        offset: bytes before the first sample.
    """

    rate: int
    channels: int
    frames: int
    offset: int


def parse_plain_header(head: bytes) -> PlainHeader | None:
    """Read the header of a WAV file from its first `HEAD_BYTES`; None if it is anything but plain 16-bit PCM."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    form, place = None, 12
    while place + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, place)
        place += 8
        if name == b"data":
            return _plain(form, size, place)
        if name == b"fmt " and size >= 16 and place + 16 <= len(head):
            form = struct.unpack_from("<HHIIHH", head, place)
        place += size + size % 2
    return None


def _plain(form: tuple[int, ...] | None, size: int, offset: int) -> PlainHeader | None:
    if form is None or is_placeholder(size):
        return None
    code, channels, rate, _, frame_bytes, bits = form
    if (code, bits, frame_bytes) != (1, 16, 2 * channels) or not channels:
        return None
    return PlainHeader(rate, channels, size // frame_bytes, offset)
