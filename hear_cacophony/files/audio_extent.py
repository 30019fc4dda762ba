"""Whether an audio file holds all bytes that its header says: libsndfile reads one that was cut as a shorter one.

Forms whose headers tell nothing of their length (IRCAM, PAF, PVF, XI) cannot be checked.
"""

from __future__ import annotations

import dataclasses
import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO

from hear_cacophony.files.read_at import read_at
from hear_cacophony.files.wav_header import is_placeholder

_LARGEST_OGG_PAGE = 27 + 255 + 255 * 255
_FIRST_PAGE, _LAST_PAGE = 2, 4
"""Bits in the header of an Ogg page."""

_NAME = re.compile(rb"[ -~]{4}")
"""How the name of a chunk begins."""

_LIKELY_NAME = re.compile(rb"(?=[A-Za-z0-9_ ]{4})")
"""As most chunks are named."""

_PIECE = 1 << 20
"""Bytes that are looked at together."""

MOST_LEFT = 4096
"""Bytes behind the last chunk of a file that may be anything, as careless programs leave some."""


def check_whole(file: str | os.PathLike[str]) -> str:
    """Check that an audio file was not cut, as far as its bytes tell without a decoder.

    Returns:
        A remark where the header is wrong and libsndfile reads the file to its end all the same: a placeholder in the
        place of a size, or a size of the whole file that is too large while the samples are all there. "" otherwise,
        and for forms that are not known here.

    Raises:
        ValueError: samples are missing.
        OSError: it cannot be read.
    """
    with open(file, "rb") as stream:
        head, length = stream.read(16), os.fstat(stream.fileno()).st_size
        for magic, check in _CHECKS.items():
            if head.startswith(magic) and len(head) == 16:
                return check(stream, length)
    return ""


def find_samples(file: str | os.PathLike[str]) -> tuple[int, int]:
    """Place and size of the samples in a file of named chunks, such as WAV; of any other form, all of the file."""
    with open(file, "rb") as stream:
        head, length = stream.read(4), os.fstat(stream.fileno()).st_size
        chunks = _CHECKS.get(head)
        found = chunks.find_data(stream, length) if isinstance(chunks, _Chunks) else None
    return (0, length) if found is None else (found[0], min(found[1], length - found[0]))


@dataclasses.dataclass(frozen=True)
class _Chunks:
    """How a file of named chunks is built.

    Attributes:
        first: bytes before the first chunk.
        name: bytes of a chunk's name, which its size follows.
        size: form of the size, as struct has it.
        data: beginnings of the name of the chunk with the samples.
        align: bytes of a chunk are filled up to a multiple of this.
        counted: bytes of its own head that a chunk's size counts.
        outer: place of the size of the file, and the bytes beside those that it counts; None where there is none.
    """

    first: int = 12
    name: int = 4
    size: str = "<I"
    data: tuple[bytes, ...] = (b"data",)
    align: int = 2
    counted: int = 0
    outer: tuple[int, int] | None = (4, 8)

    def __call__(self, stream: BinaryIO, length: int) -> str:
        """As `check_whole`."""
        told = self._told_length(stream)
        # One byte less is a file without the padding of an odd last chunk.
        outer = f"its header says {told} bytes, the file has {length}" if told - 1 > length else ""
        data = self.find_data(stream, length)
        if data is None:
            if outer:
                _need(told, length)
            return ""
        start, size = data
        if 0 < size <= length - start:
            self._check_behind(stream, start + size + -size % self.align, length)
            return outer
        if size == 0 and start == length:
            return ""
        if is_placeholder(size):
            self._check_all_samples(stream, start, length)
            return f"its header has the placeholder {size:#x} where the number of bytes belongs"
        _need(start + size, length)
        return ""

    def _check_all_samples(self, stream: BinaryIO, start: int, length: int) -> None:
        """Raise ValueError if chunks lie at the end of a file whose header does not tell where its samples end.

        They would be read as samples. They are known by their sizes, which lead to the end of the file.
        """
        if self.name != 4 or start >= length:
            return
        while start < length:
            piece = read_at(stream, start, _PIECE + 3)  # and what a name that begins in it takes
            for found in _LIKELY_NAME.finditer(piece):
                place = start + found.start()
                if self._ends_with_chunks(stream, place, length):
                    name = read_at(stream, place, 4).decode()
                    raise ValueError(
                        f"expected nothing behind the samples, as its header does not tell where they end, the chunk "
                        f"{name!r} begins at byte {place}; write the file again with both sizes, or without it"
                    )
            start += _PIECE

    def _ends_with_chunks(self, stream: BinaryIO, place: int, length: int) -> bool:
        """Whether chunks, the last of them not empty, lie from here to the end of a file, one after the other."""
        size = 0
        while place + 8 <= length and _LIKELY_NAME.match(head := read_at(stream, place, 8)):
            (size,) = struct.unpack(self.size, head[4:])
            place += 8 + size + -size % self.align
        return size > 0 and place - (size % self.align) <= length <= place

    def _check_behind(self, stream: BinaryIO, place: int, length: int) -> None:
        """Raise ValueError if samples go on behind the place where they end by the header.

        Recorders that were ended leave an older size there, and those of more than 4 GiB what is left of it.
        """
        width = self.name + struct.calcsize(self.size)
        end = place
        while end + width <= length and _NAME.match(name := read_at(stream, end, self.name)):
            size = max(0, _number(stream, end + self.name, self.size) - self.counted)
            if name.startswith(self.data) or end + width + size > length:
                break
            end += width + size + -size % self.align
        _refuse_rest(stream, place, end, length)

    def _told_length(self, stream: BinaryIO) -> int:
        """Bytes that the file has by its header; 0 where that does not tell."""
        if self.outer is None:
            return 0
        place, beside = self.outer
        size = _number(stream, place, self.size)
        return 0 if is_placeholder(size) else size + beside

    def find_data(self, stream: BinaryIO, length: int) -> tuple[int, int] | None:
        """Place and size of the samples, None where the file ends before them."""
        place, long_size = self.first, 0xFFFFFFFF
        width = self.name + struct.calcsize(self.size)
        while place + width <= length:
            head = read_at(stream, place, width)
            size = max(0, struct.unpack(self.size, head[self.name :])[0] - self.counted)
            place += width
            if head.startswith(self.data):
                return place, long_size if size == 0xFFFFFFFF else size
            if head.startswith(b"ds64"):  # of RF64, where the chunk of samples has a placeholder for its size
                long_size = _number(stream, place + 8, "<Q")
            place += size + -size % self.align
        return None


def _number(stream: BinaryIO, place: int, form: str) -> int:
    """0 where the file ends before it."""
    width = struct.calcsize(form)
    return struct.unpack(form, read_at(stream, place, width).ljust(width, b"\0"))[0]


def _need(expected: int, length: int) -> None:
    if expected > length:
        raise ValueError(f"expected {expected} bytes by its header, got {length}; was a copy interrupted?")


def _refuse_rest(stream: BinaryIO, place: int, end: int, length: int) -> None:
    """Raise ValueError if something lies behind `end` that may be samples, which end at `place` by the header."""
    rest = length - end
    if rest <= MOST_LEFT or not any(read_at(stream, end, MOST_LEFT) + read_at(stream, length - MOST_LEFT, rest)):
        return
    raise ValueError(
        f"expected samples up to byte {place} by its header, the file goes on for {rest} bytes that are nothing "
        "else; was a recording interrupted, or is it too long for its form? ffmpeg -ignore_length 1 -i IN OUT.wav"
    )


def _check_au(stream: BinaryIO, length: int) -> str:
    order = ">" if read_at(stream, 0, 1) == b"." else "<"
    start, size = _number(stream, 4, f"{order}I"), _number(stream, 8, f"{order}I")
    if size and is_placeholder(size):
        return f"its header has the placeholder {size:#x} where the number of bytes belongs"
    _need(start + size, length)
    if size:
        _refuse_rest(stream, start + size, start + size, length)
    return ""


def _check_voc(stream: BinaryIO, length: int) -> str:
    """A file of blocks: one byte of kind, 0 for the last one, which is nothing else, and three of their size."""
    place = _number(stream, 20, "<H")
    while place < length and (block := _number(stream, place, "<I")) & 0xFF:
        place += 4 + (block >> 8)
    _need(place, length)
    return ""


def _check_nist(stream: BinaryIO, length: int) -> str:
    """A header of text, and samples; libsndfile refuses those that are packed."""
    head = read_at(stream, 0, 1024)
    told = dict(re.findall(rb"^(\w+) -i (\d+)", head, re.MULTILINE))
    if b"sample_count" in told and b"embedded-" not in head:
        width = int(told.get(b"sample_n_bytes", 1)) * int(told.get(b"channel_count", 1))
        _need(int(read_at(stream, 8, 8).strip() or 1024) + int(told[b"sample_count"]) * width, length)
    return ""


def _check_mat5(stream: BinaryIO, length: int) -> str:
    """Elements behind 128 bytes, each with its kind and its size, which libsndfile writes 8 too large."""
    head, place = read_at(stream, 0, 128), 128
    order = "<" if head.endswith(b"IM") else ">"
    while place < length:
        place += 8 + _number(stream, place + 4, f"{order}I")
    _need(place - (8 if b"libsndfile" in head else 0), length)
    return ""


def _check_sds(stream: BinaryIO, length: int) -> str:
    """Blocks of 127 bytes with 120 of samples behind 21 bytes; all numbers have seven bits a byte."""
    head = read_at(stream, 0, 21).ljust(21, b"\0")
    in_block = 120 // max(1, -(-head[6] // 7))
    count = head[10] | head[11] << 7 | head[12] << 14
    end = 21 + -(-count // in_block) * 127
    _need(end, length)
    _refuse_rest(stream, end, end, length)
    return ""


def _check_ogg(stream: BinaryIO, length: int) -> str:
    """Pages, of which the last one is marked; libsndfile reads no further than the first stream of those joined."""
    tail = read_at(stream, max(0, length - 2 * _LARGEST_OGG_PAGE), 2 * _LARGEST_OGG_PAGE)
    page = tail[tail.rfind(b"OggS") :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if len(page) < 27 or len(page) < 27 + page[26] + sum(segments):
        raise ValueError(f"it ends within a page, after {length} bytes; was a copy interrupted?")
    if not page[5] & _LAST_PAGE:
        raise ValueError(
            f"expected a page that is marked as the last one, it ends after {length} bytes without; "
            "was a copy or a recording interrupted?"
        )
    place = ended = 0
    while (page := read_at(stream, place, 27 + 255)).startswith(b"OggS") and len(page) > 26:
        if ended and page[5] & _FIRST_PAGE:
            raise ValueError(
                f"expected one stream, another one begins at byte {place}; ffmpeg -i IN OUT.wav joins them"
            )
        ended |= page[5] & _LAST_PAGE
        place += 27 + page[26] + sum(page[27 : 27 + page[26]])
    return ""


_RIFF = _Chunks()
_BIG = _Chunks(size=">I", data=(b"data", b"SSND", b"BODY"))
_CHECKS: dict[bytes, Callable[[BinaryIO, int], str]] = {
    b"RIFF": _RIFF,
    b"RIFX": _BIG,
    b"FORM": _BIG,
    b"RF64": _RIFF,
    b"BW64": _RIFF,
    b"riff": _Chunks(first=40, name=16, size="<Q", align=8, counted=24, outer=(16, 0)),
    b"caff": _Chunks(first=8, size=">Q", align=1, outer=None),
    b".snd": _check_au,
    b"dns.": _check_au,
    b"Creative Voice": _check_voc,
    b"NIST_1A": _check_nist,
    b"MATLAB 5.0": _check_mat5,
    b"OggS": _check_ogg,
    b"\xf0~": _check_sds,
}
