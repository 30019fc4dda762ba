"""Where the samples of an audio file end by its header, in forms that libsndfile reads to the end of the file."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from hear_cacophony.files.audio_extent import find_samples
from hear_cacophony.files.read_at import read_at
from hear_cacophony.files.wav_header import is_placeholder


@contextlib.contextmanager
def open_samples(file: str | os.PathLike[str]) -> Iterator[bytes | io.RawIOBase]:
    """What libsndfile should read of a file: its name, or, where something lies behind its samples, a stream up to it.

    Raises:
        ValueError: there are samples behind others, of which libsndfile would read the heads as samples, too.
        OSError: it cannot be read.
    """
    with open(file, "rb") as stream:
        end = _find_end(file, stream)
        if end is None or end >= os.fstat(stream.fileno()).st_size:
            yield os.fsencode(file)
        else:
            yield _Beginning(stream, end)


class _Beginning(io.RawIOBase):
    """A file as if it ended earlier."""

    def __init__(self, stream: BinaryIO, end: int) -> None:
        self._stream, self._end, self._place = stream, end, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        self._place = place + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end}[whence]
        return self._place

    def readinto(self, target) -> int:
        content = read_at(self._stream, self._place, max(0, min(len(target), self._end - self._place)))
        target[: len(content)] = content
        self._place += len(content)
        return len(content)


def _find_end(file: str | os.PathLike[str], stream: BinaryIO) -> int | None:
    """The byte behind the samples; None in other forms, and where the header does not tell."""
    head = stream.read(128).ljust(128, b"\0")
    if head.startswith(b"riff") or (head.startswith(b"FORM") and head[8:12] in (b"8SVX", b"16SV")):
        start, size = find_samples(file)
        return start + size if start and size else None
    for magic, find in _FINDERS.items():
        if head.startswith(magic):
            return find(head, stream)
    return None


def _counted(start: int, count: int, width: int) -> int | None:
    return start + count * width if count else None


def _end_of_au(head: bytes, _: BinaryIO) -> int | None:
    start, size = struct.unpack_from(">II" if head.startswith(b".") else "<II", head, 4)
    return None if is_placeholder(size) else start + size


def _end_of_avr(head: bytes, _: BinaryIO) -> int | None:
    stereo, bits = struct.unpack_from(">HH", head, 12)
    return _counted(128, struct.unpack_from(">I", head, 26)[0], (2 if stereo else 1) * (2 if bits > 8 else 1))


def _end_of_mpc2k(head: bytes, _: BinaryIO) -> int | None:
    return _counted(42, struct.unpack_from("<I", head, 30)[0], 4 if head[21] else 2)


def _end_of_wve(head: bytes, _: BinaryIO) -> int | None:
    return _counted(32, struct.unpack_from(">I", head, 18)[0], 1)


def _end_of_nist(head: bytes, stream: BinaryIO) -> int | None:
    """Behind a header of text, whose second line tells how long it is."""
    told = dict(re.findall(rb"^(\w+) -i (\d+)", read_at(stream, 0, 1024), re.MULTILINE))
    width = int(told.get(b"sample_n_bytes", 1)) * int(told.get(b"channel_count", 1))
    return _counted(int(head[8:16].strip() or 1024), int(told.get(b"sample_count", 0)), width)


def _end_of_mat5(head: bytes, stream: BinaryIO) -> int | None:
    """In the second variable, whose samples are behind its flags, its shape and its name."""
    order = "<" if head.endswith(b"IM") else ">"
    place = 128 + 8 + struct.unpack(f"{order}I", read_at(stream, 132, 4).ljust(4, b"\0"))[0] + 8
    for _ in range(3):
        place = _behind_element(stream, place, order, 8)
    return _behind_element(stream, place, order, 1)


def _behind_element(stream: BinaryIO, place: int, order: str, align: int) -> int:
    size = struct.unpack(f"{order}I", read_at(stream, place + 4, 4).ljust(4, b"\0"))[0]
    return place + 8 + size + -size % align


def _end_of_voc(head: bytes, stream: BinaryIO) -> int | None:
    """Behind the byte that follows the first block of samples, as libsndfile takes the last one to end the file."""
    place, end = int.from_bytes(head[20:22], "little"), None
    while (block := read_at(stream, place, 4)) and block[0]:
        following = place + 4 + int.from_bytes(block[1:], "little")
        if end and block[0] in _SOUND_IN_VOC:
            raise ValueError(
                f"expected one block of samples, another one begins at byte {place}; ffmpeg -i IN OUT.wav joins them"
            )
        if block[0] in _SOUND_IN_VOC:
            end = following + 1
        place = following
    return end


_SOUND_IN_VOC = (1, 2, 3, 9)
"""Kinds of blocks: samples, more of them, silence, samples of any width."""

_FINDERS: dict[bytes, Callable[[bytes, BinaryIO], int | None]] = {
    b".snd": _end_of_au,
    b"dns.": _end_of_au,
    b"2BIT": _end_of_avr,
    b"\1\4": _end_of_mpc2k,
    b"ALawSoundFile": _end_of_wve,
    b"NIST_1A": _end_of_nist,
    b"MATLAB 5.0": _end_of_mat5,
    b"Creative Voice": _end_of_voc,
}
