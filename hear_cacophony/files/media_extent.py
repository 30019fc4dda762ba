"""Whether a file with sound that libsndfile does not read holds all bytes that its container says."""

from __future__ import annotations

import os
from typing import BinaryIO

_ASF_HEAD = 1 << 16
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_SIZE, _ASF_FLAGS, _ASF_BROADCAST = 40, 88, 1
_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_OF_UNKNOWN_SIZE = (_SEGMENT, _CLUSTER)
"""Elements of Matroska that those in them follow; who writes them to a pipe tells no size."""

_PIECE = 1 << 20
"""Bytes that are looked at together."""


def check_media_whole(file: str | os.PathLike[str]) -> None:
    """Check that an MP4, Matroska, WebM or Windows Media file was not cut, as far as its container tells.

    Raises:
        ValueError: bytes are missing or damaged, or another MP4 file, which is not read, lies behind the first one.
        OSError: it cannot be read.
    """
    with open(file, "rb") as stream:
        head, length = stream.read(12), os.fstat(stream.fileno()).st_size
        stream.seek(0)
        if head[4:8] == b"ftyp":
            told = _mp4_length(stream, length)
        elif head.startswith(_EBML):
            told = _matroska_length(stream, length)
        elif head.startswith(b"\x30\x26\xb2\x75"):
            told = _asf_length(stream.read(_ASF_HEAD))
        else:
            return
    if told is not None and told > length:
        raise ValueError(f"expected {told} bytes by its container, the file has {length}; was a copy interrupted?")


def _mp4_length(stream: BinaryIO, length: int) -> int | None:
    """The end of the last box that begins in the file; None where one goes on to the end of the file.

    Raises ValueError if another file follows; those that are made to be joined consist of fragments.
    """
    place, has_fragments = 0, False
    while place < length:
        stream.seek(place)
        head = stream.read(16)
        if len(head) < 8:
            return place + 8
        has_fragments |= head[4:8] == b"moof"
        if place and head[4:8] == b"ftyp" and not has_fragments:
            raise ValueError(
                f"expected one MP4 file, another one begins at byte {place}; were files joined? read each of them alone"
            )
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8:  # 0: to the end of the file; less is no box
            return None
        place += size
    return place


def _matroska_length(stream: BinaryIO, length: int) -> int | None:
    """The end of the last element that begins in the file, at any level down to blocks of sound; None if untold.

    Raises ValueError where none begins though the segment goes on: FFmpeg passes over what follows up to the next
    cluster.
    """
    place, end = 0, 0
    while place < length:
        stream.seek(place)
        identifier, start, size = _element(stream.read(12))
        if start == 0 or (size is None and identifier not in _OF_UNKNOWN_SIZE):
            if place < end and _goes_on(stream, place):
                raise ValueError(f"expected an element of Matroska at byte {place}, got none; was a copy damaged?")
            return None
        if identifier == _SEGMENT:
            end = length if size is None else place + start + size
        if identifier in _OF_UNKNOWN_SIZE and (size is None or place + start + size <= length):
            place += start  # its elements follow
        else:
            place += start + (size or 0)
    return place


def _goes_on(stream: BinaryIO, place: int) -> bool:
    """Whether anything but zeros lies from here to the end of a file."""
    stream.seek(place)
    return any(any(piece) for piece in iter(lambda: stream.read(_PIECE), b""))


def _element(head: bytes) -> tuple[bytes, int, int | None]:
    """Name of an element of EBML, bytes up to its content, and size of that, None if unknown; 0 bytes if it is none."""
    if not head or not head[0]:
        return b"", 0, None
    name = 9 - head[0].bit_length()
    if len(head) <= name or not head[name]:
        return b"", 0, None
    width = 9 - head[name].bit_length()
    if len(head) < name + width:  # the file ends in it
        return head[:name], name + width, 0
    number = int.from_bytes(head[name : name + width], "big") & ((1 << 7 * width) - 1)
    return head[:name], name + width, None if number == (1 << 7 * width) - 1 else number


def _asf_length(head: bytes) -> int | None:
    """The length that the file properties tell; None of a broadcast, or where there are none."""
    place = head.find(_ASF_PROPERTIES)
    if place < 0 or len(head) < place + _ASF_FLAGS + 4 or head[place + _ASF_FLAGS] & _ASF_BROADCAST:
        return None
    return int.from_bytes(head[place + _ASF_SIZE : place + _ASF_SIZE + 8], "little")
