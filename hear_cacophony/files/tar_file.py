"""Tar files to their checked ends: tarfile takes any header that it cannot read for the end."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import posixpath
import tarfile
from typing import Any, BinaryIO, Self

_PIECE = 1 << 20
_END_MARK = 2 * tarfile.BLOCKSIZE
_RECORDS = (tarfile.RECORDSIZE, *(tarfile.BLOCKSIZE << doublings for doublings in range(5, 12)))
"""Bytes that programs write at once, unless told otherwise and as they are told to; the last record ends in zeros."""

_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
"""How gzip, xz and zstd begin a file, and no name in a tar file does."""

_MOST_LINKS = 40
"""Links to links that are followed, as of Linux."""


class JoinedTarError(tarfile.ReadError):
    """Behind the end of a tar file another one begins."""


class StrictTarInfo(tarfile.TarInfo):
    """A member whose damaged header is an error, and not the end; for `tarinfo` of `tarfile.open`."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """The next member.

        Raises:
            ReadError: its header is damaged.
            HeaderError: there is none: the end, or that of a file that was cut.
        """
        assert archive.fileobj is not None
        start = archive.fileobj.tell()
        damaged = tarfile.ReadError(f"data that cannot be read at byte {start}")
        try:
            member = super().fromtarfile(archive)
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]
            raise damaged from error
        if archive.offset <= start:  # by a negative size, it would be read again and again
            raise damaged
        return member


def check_end(stream: BinaryIO, end: int) -> None:
    """Read the rest of a tar file, whose members were read with `StrictTarInfo` to their end.

    Args:
        stream: where tarfile left it.
        end: `offset` of the TarFile.

    Raises:
        ReadError: the end mark is not there, other bytes than zeros are behind it, or more zeros than tar files end in.
    """
    while piece := stream.read(_PIECE):
        zeros = len(piece) - len(piece.lstrip(b"\0"))
        if zeros < len(piece):
            place = stream.tell() - len(piece) + zeros
            block = piece[zeros // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE :][: tarfile.BLOCKSIZE]
            if _is_header(block):
                raise JoinedTarError(f"behind the end of the first, another begins at byte {place}")
            raise tarfile.ReadError(f"data that cannot be read at byte {place}, behind the end mark")
    length = stream.tell()
    if length < end + tarfile.BLOCKSIZE:
        raise tarfile.ReadError("unexpected end of data")
    if not _ends_records(length - end, length):
        raise tarfile.ReadError(f"nothing but zeros in the last {length - end} of {length} bytes")


def _is_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _ends_records(zeros: int, length: int) -> bool:
    """Whether a program may have filled its last record so; a download that room was kept for ends in more zeros."""
    return zeros < _RECORDS[0] + _END_MARK or any(
        length % record == 0 and zeros < record + _END_MARK for record in _RECORDS
    )


@dataclasses.dataclass(frozen=True)
class TarMember:
    """A file in a tar file.

    Attributes:
        name: as it is spelled there.
        offset: where its content begins.
        size: of its content, in bytes.
        parts: of a sparse file, place and length of each part that is not zeros; the parts follow one another from
            `offset` on. None where all is there.
        fault: why it has no content, "" if it has.
    """

    name: str
    offset: int
    size: int
    parts: tuple[tuple[int, int], ...] | None = None
    fault: str = ""

    def read(self, stream: BinaryIO) -> bytes:
        """Its content, from the open tar file."""
        stream.seek(self.offset)
        if self.parts is None:
            return stream.read(self.size)
        content = bytearray(self.size)
        for place, length in self.parts:
            content[place : place + length] = stream.read(length)
        return bytes(content)


def read_members(tar: pathlib.Path) -> dict[str, TarMember]:
    """Files in a tar file, by their paths in it without `./` and the like; of several of one path the last, as of tar.

    Links are the files that they lead to. What is neither file nor folder, and links out of the tar file, are among
    them, with their `fault`.

    Raises:
        ValueError: it is no tar file, damaged, cut, or several that were joined.
        OSError: it cannot be read.
    """
    if not tar.is_file():  # to open a pipe is to wait for who writes to it
        raise ValueError(f"{tar}: expected a tar file, got a pipe, a device, or a link to nothing")
    with tar.open("rb") as stream:
        if stream.read(6).startswith(_COMPRESSED):
            raise ValueError(f"{tar}: expected a tar file, got a compressed file; decompress it first")
    names: dict[str, str] = {}
    last: dict[str, tarfile.TarInfo] = {}
    try:
        with tar.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:", tarinfo=StrictTarInfo) as archive:
            for member in archive:
                path = posixpath.normpath(member.name)
                if not member.isdir():
                    names[path] = member.name
                    # A hard link is to what was there before it.
                    linked = last.get(posixpath.normpath(member.linkname)) if member.islnk() else None
                    last[path] = linked or member
            check_end(stream, archive.offset)
    except JoinedTarError as error:
        raise ValueError(f"{tar}: several tar files joined to one ({error}); name each by itself") from error
    except (tarfile.TarError, ValueError, OverflowError) as error:  # the latter two of numbers that are none
        raise ValueError(f"{tar}: not a tar file that can be read ({error}); was a copy interrupted?") from error
    return {path: _member(names[path], last[path], last) for path in last}


def _member(name: str, found: tarfile.TarInfo, members: dict[str, tarfile.TarInfo]) -> TarMember:
    target: tarfile.TarInfo | None = found
    for _ in range(_MOST_LINKS):
        if target is None or not target.issym():
            break
        target = members.get(posixpath.normpath(posixpath.join(posixpath.dirname(target.name), target.linkname)))
    fault = ""
    if target is None or target.issym() or target.islnk():
        fault = f"a link to {(target or found).linkname}, which is not in the tar file"
    elif not target.isfile():
        fault = f"expected a file, found a device or something else special (type {os.fsdecode(target.type)})"
    if target is None or fault:
        return TarMember(name, 0, 0, fault=fault)
    sparse: Any = target.sparse
    parts = None if sparse is None else tuple((place, length) for place, length in sparse)
    return TarMember(name, target.offset_data, target.size, parts)
