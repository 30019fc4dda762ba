"""What the header of a WAV file says: whether the file was cut short, and where its samples lie."""

from __future__ import annotations

import dataclasses
import os
import struct
from typing import BinaryIO

HEAD_BYTES = 512
"""Enough of a file for the header of a plain one."""

_PLACEHOLDERS = (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Sizes that programs leave in the header which write WAV to a pipe, or were ended before they knew the size."""

_NEAR = 4096
"""How far from these a size may be: some programs add or subtract the bytes of the header."""


def check_whole(file: str | os.PathLike[str]) -> str:
    """Check that a WAV file holds all samples that its header says; libsndfile reads one that was cut as a shorter one.

    Returns:
        A remark where the header is wrong and libsndfile reads the file to its end all the same: a placeholder in the
        place of a size, or a size of the whole file that is too large while the samples are all there. "" otherwise,
        and for other forms than WAV.

    Raises:
        ValueError: samples are missing.
        OSError: it cannot be read.
    """
    with open(file, "rb") as wav:
        head = wav.read(12)
        if head[:4] != b"RIFF" or len(head) < 12:
            return ""
        length = os.fstat(wav.fileno()).st_size
        riff = 8 + int.from_bytes(head[4:8], "little")
        data = _find_data(wav)
    if data is None:
        if riff - 1 > length and not is_placeholder(riff - 8):
            raise ValueError(f"expected {riff} bytes by its header, got {length}; was a copy interrupted?")
        return ""
    start, size = data
    if start + size <= length:
        # One byte less is a file without the padding of an odd last chunk.
        return f"its header says {riff} bytes, the file has {length}" if riff - 1 > length else ""
    if is_placeholder(size):
        return f"its header has the placeholder {size:#x} where the number of bytes belongs"
    raise ValueError(f"expected {start + size} bytes by its header, got {length}; was a copy interrupted?")


def _find_data(wav: BinaryIO) -> tuple[int, int] | None:
    """Place and size of the samples, None where the file ends before them; `wav` is behind its first 12 bytes."""
    while len(head := wav.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return wav.tell(), size
        wav.seek(size + size % 2, os.SEEK_CUR)
    return None


def is_placeholder(size: int) -> bool:
    """Whether a size in a header stands for one that was not known."""
    return size == 0 or any(abs(size - each) <= _NEAR for each in _PLACEHOLDERS if each)


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
