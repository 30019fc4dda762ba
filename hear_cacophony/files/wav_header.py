"""What the header of a WAV file says: whether the file was cut short, and where its samples lie."""

from __future__ import annotations

import dataclasses
import os
import struct

HEAD_BYTES = 512
"""Enough of a file for the header of a plain one."""

_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what programs that write WAV to a pipe leave in the header


def check_whole(file: str | os.PathLike[str]) -> None:
    """Check that a WAV file is as long as its header says; libsndfile reads one that was cut as a shorter one.

    Raises:
        ValueError: it is shorter; other forms than WAV pass.
        OSError: it cannot be read.
    """
    with open(file, "rb") as wav:
        head = wav.read(8)
    if head[:4] != b"RIFF" or len(head) < 8:
        return
    size = int.from_bytes(head[4:], "little")
    # One byte less is a file without the padding of an odd last chunk.
    if size not in _UNKNOWN_SIZES and os.path.getsize(file) < size + 7:
        raise ValueError(
            f"expected {size + 8} bytes by its header, got {os.path.getsize(file)}; was a copy interrupted?"
        )


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
    if form is None or size in _UNKNOWN_SIZES:
        return None
    code, channels, rate, _, frame_bytes, bits = form
    if (code, bits, frame_bytes) != (1, 16, 2 * channels) or not channels:
        return None
    return PlainHeader(rate, channels, size // frame_bytes, offset)
