"""The frames of an MP3 or MP2 file, counted: they tell its length where its header does not, and whether it was cut."""

from __future__ import annotations

import dataclasses
import os
from typing import BinaryIO

from hear_cacophony.files.audio_extent import find_samples
from hear_cacophony.files.read_at import read_at

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

_VBRI = (36, b"VBRI")
"""Place and name of another such payload, which libsndfile does not know; the count stands 14 bytes behind."""

_CHAIN = 4
"""So many frames one after the other are no accident."""

_LARGEST_FREE = 1 << 13
"""Bytes that no frame of a free bit rate has, as decoders take 640 kbit/s at most."""

_PASSED_OVER = 1024
"""Bytes that libsndfile's decoder passes over before the first frame."""

_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
"""What lies between frames where files were joined."""


@dataclasses.dataclass(frozen=True)
class MpegFrames:
    """The frames of a file.

    Attributes:
        told: samples of each channel by the first frame, encoder's padding included; None where it does not tell.
        found: samples of each channel in whole frames; 0 where they cannot be counted.
        is_cut: whether the file ends within a frame, or holds fewer than a header of VBRI tells.
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
        ValueError: the tag at its beginning says that it goes on into the frames; or there is something else between
            frames, or frames of another sample rate or number of channels.
        OSError: it cannot be read.
    """
    start, size = find_samples(file)
    length = start + size
    with open(file, "rb") as stream:
        place = _first_place(stream, start, length)
        first = _parse(read_at(stream, place, 4))
        if first is None:
            return _count_free(stream, place, length)
        content = read_at(stream, place, first.size)
        told, at_least = _told_frames(content, first), _told_by_vbri(content)
        count, cut_at = _walk(stream, place, length, first)
        is_cut = cut_at is not None or count < at_least
    count -= told is not None
    return MpegFrames(None if told is None else told * first.samples, count * first.samples, is_cut, first.samples)


def _walk(stream: BinaryIO, place: int | None, length: int, first: _Frame) -> tuple[int, int | None]:
    """Count the whole frames from `place` on; where one is cut, also say at which place."""
    count = 0
    while place is not None:
        frame = _parse(read_at(stream, place, 4))
        if frame is None or frame.kind != first.kind:
            place = _next_place(stream, place, length, first)
        elif place + frame.size > length:
            break
        else:
            count, place = count + 1, place + frame.size
    return count, place


def _count_free(stream: BinaryIO, place: int, length: int) -> MpegFrames:
    """Count frames of a free bit rate, whose heads do not tell a size: one of them is like the other."""
    head = read_at(stream, place, 4)
    like = _parse(_with_some_rate(head))
    size = _size_of_free(stream, place, length) if like and head != _with_some_rate(head) else None
    if like is None or size is None:
        return MpegFrames(None, 0, is_cut=False, frame=0)
    count = 0
    while _is_free_like(head, following := read_at(stream, place, 4)):
        place += size + (following[2] >> 1 & 1)
        if place > length:
            return MpegFrames(None, count * like.samples, is_cut=True, frame=like.samples)
        count += 1
    return MpegFrames(None, count * like.samples, is_cut=False, frame=like.samples)


def _size_of_free(stream: BinaryIO, start: int, length: int) -> int | None:
    """Bytes of a frame of a free bit rate without padding, by the distance of those that follow each other."""
    content = read_at(stream, start, min(_CHAIN * _LARGEST_FREE, length - start))
    head, size = content[:4], content.find(content[:2], 4)
    while 0 < size <= _LARGEST_FREE:
        plain, place = size - (head[2] >> 1 & 1), 0
        for _ in range(_CHAIN):
            if not _is_free_like(head, content[place : place + 4]):
                break
            place += plain + (content[place + 2] >> 1 & 1)
        else:
            return plain
        size = content.find(content[:2], size + 1)
    return None


def _with_some_rate(head: bytes) -> bytes:
    """The head of a frame of a free bit rate with another one that all layers know."""
    return bytes((*head[:2], head[2] | 0x10, head[3])) if len(head) == 4 and not head[2] >> 4 else head


def _is_free_like(first: bytes, head: bytes) -> bool:
    """Whether a head is of a frame of a free bit rate, of the version, layer, sample rate and channels of another."""
    return (
        len(head) == 4
        and head[:2] == first[:2]
        and head[2] & 0xFC == first[2] & 0xFC
        and ((head[3] >> 6 == 3) == (first[3] >> 6 == 3))
    )


def _next_place(stream: BinaryIO, place: int, length: int, first: _Frame) -> int | None:
    """Where frames go on behind something else; None where they do not, and that is a tag, or what was filled up."""
    found = _search(stream, place, length)
    if found is None:
        return None
    frame = _parse(read_at(stream, found, 4))
    if frame is None or frame.kind != first.kind:
        raise ValueError(
            "expected one sample rate and number of channels throughout, frames of MPEG audio have another one from "
            f"byte {found} on; were files joined?"
        )
    if not read_at(stream, place, 16).startswith(_TAGS):
        raise ValueError(
            f"expected a frame of MPEG audio at byte {place}, the next one begins at {found}; was a copy damaged?"
        )
    return found


def _first_place(stream: BinaryIO, start: int, length: int) -> int:
    """Where frames begin: behind tags of ID3v2, and whatever the decoder passes over."""
    place = _behind_tags(stream, start)
    if _is_chain(stream, place, length):
        return place
    early = _search(stream, start + 10, place, length) if place > start else None
    if early is not None:
        raise ValueError(
            f"expected no frame of MPEG audio before byte {place}, where its ID3v2 tag ends by its size, got the first "
            f"one at {early}; ffmpeg -i IN OUT.wav makes a file that can be read from its beginning"
        )
    found = _search(stream, place, min(length, place + _PASSED_OVER), length)
    return place if found is None else found


def _behind_tags(stream: BinaryIO, place: int) -> int:
    """The end of tags of ID3v2, whose size has seven bits a byte."""
    while (head := read_at(stream, place, 10))[:3] == b"ID3" and len(head) == 10:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        place += 10 + size + (10 if head[5] & 0x10 else 0)
    return place


def _search(stream: BinaryIO, start: int, stop: int, length: int | None = None) -> int | None:
    """The first place from `start` to `stop` where a chain of frames begins, in a file of `length` bytes."""
    content = read_at(stream, start, max(0, stop - start))
    place = content.find(0xFF)
    while place >= 0:
        if _is_chain(stream, start + place, stop if length is None else length):
            return start + place
        place = content.find(0xFF, place + 1)
    return None


def _is_chain(stream: BinaryIO, place: int, length: int) -> bool:
    """Whether several frames of one kind begin here, one after the other, or as many as the file has."""
    kind = None
    for number in range(_CHAIN):
        if number and place >= length:
            return True
        frame = _parse(read_at(stream, place, 4))
        if frame is None or (kind is not None and frame.kind != kind):
            return False
        kind, place = frame.kind, place + frame.size
    return True


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
    return _Frame(bytes((head[1] & 0xFE, head[2] & 0x0C, mono)), size, samples, side)


def _told_frames(content: bytes, first: _Frame) -> int | None:
    start = 4 + first.side
    if content[start : start + 4] not in _TOLD or len(content) < start + 12 or not content[start + 7] & 1:
        return None
    return int.from_bytes(content[start + 8 : start + 12], "big")


def _told_by_vbri(content: bytes) -> int:
    """Frames that there are at least by a header of VBRI, which some encoders count with them; 0 without one."""
    place, name = _VBRI
    told = content[place : place + 18]
    return int.from_bytes(told[14:18], "big") - 1 if told.startswith(name) and len(told) == 18 else 0
