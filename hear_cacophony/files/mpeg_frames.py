"""The frames of an MP3 or MP2 file, counted: they tell its length where its header does not, and whether it was cut."""

from __future__ import annotations

import dataclasses
import os
from typing import BinaryIO

from hear_cacophony.files.audio_extent import find_samples

_RATES = (44_100, 48_000, 32_000)
_KILOBITS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by MPEG version (2 and 2.5 have the same ones) and layer; 0 stands for a free one."""

_TOLD = (b"Xing", b"Info")
"""How a first frame begins its payload that tells how many follow."""


@dataclasses.dataclass(frozen=True)
class MpegFrames:
    """The frames of a file, up to the first byte that belongs to none, such as a tag at the end.

    Attributes:
        told: samples of each channel by the first frame, encoder's padding included; None where it does not tell.
        found: samples of each channel in whole frames; 0 where they cannot be counted (a free bit rate).
        is_cut: whether the file ends within a frame.
        frame: samples of each channel in a frame.
    """

    told: int | None
    found: int
    is_cut: bool
    frame: int


@dataclasses.dataclass(frozen=True)
class _Frame:
    kind: bytes
    size: int
    samples: int
    side: int
    """Bytes between its head and the place where a first frame tells how many follow."""


def count_frames(file: str | os.PathLike[str]) -> MpegFrames:
    """Walk along the frames of an MPEG audio file, or of a WAV file that holds one.

    Raises:
        OSError: it cannot be read.
    """
    start, size = find_samples(file)
    length = start + size
    with open(file, "rb") as stream:
        place = _first_place(stream, start)
        first = _parse(_read(stream, place, 4))
        if first is None:
            return MpegFrames(None, 0, is_cut=False, frame=0)
        told = _told_frames(_read(stream, place, first.size), first)
        count, frame = (0 if told is None else -1), first
        while place + frame.size <= length:
            count, place = count + 1, place + frame.size
            following = _parse(_read(stream, place, 4))
            if following is None or following.kind != first.kind:
                return MpegFrames(_samples(told, first), count * first.samples, is_cut=False, frame=first.samples)
            frame = following
        return MpegFrames(_samples(told, first), count * first.samples, is_cut=True, frame=first.samples)


def _samples(frames: int | None, first: _Frame) -> int | None:
    return None if frames is None else frames * first.samples


def _first_place(stream: BinaryIO, start: int) -> int:
    """Where frames begin: behind a tag of ID3v2, whose size has seven bits a byte."""
    head = _read(stream, start, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return start
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return start + 10 + size + (10 if head[5] & 0x10 else 0)


def _read(stream: BinaryIO, place: int, count: int) -> bytes:
    stream.seek(place)
    return stream.read(count)


def _parse(head: bytes) -> _Frame | None:
    """The frame that begins with these four bytes, None if none does, or its size is not told."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    generation = 1 if version == 3 else 2
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bytes_per_second = 125 * _KILOBITS[generation, layer if generation == 1 else min(layer, 2)][bits]
    samples = {1: 384, 2: 1152, 3: 1152 // generation}[layer]
    slot = 4 if layer == 1 else 1
    size = (samples * bytes_per_second // (slot * hertz) + padding) * slot
    mono = head[3] >> 6 == 3
    side = (17 if mono else 32) if generation == 1 else (9 if mono else 17)
    return _Frame(bytes((head[1] & 0xFE, head[2] & 0x0C)), size, samples, side)


def _told_frames(content: bytes, first: _Frame) -> int | None:
    start = 4 + first.side
    if content[start : start + 4] not in _TOLD or len(content) < start + 12 or not content[start + 7] & 1:
        return None
    return int.from_bytes(content[start + 8 : start + 12], "big")
