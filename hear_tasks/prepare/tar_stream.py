"""Reading the tarballs that HEAR tasks are published as, as streams."""

from __future__ import annotations

import contextlib
import gzip
import os
import pathlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, cast

from hear_cacophony.files.tar_file import StrictTarInfo, check_end

SUFFIXES = (".tar.gz", ".tgz", ".tar")
"""Ends of the names of tarballs. Whether one is compressed is told by its content: browsers unpack `.tar.gz` files."""

_GZIP = b"\x1f\x8b"
_TAR_ENDS = ("unexpected end of data", "truncated header")  # tarfile's words, which has no error of its own for it
_LAYOUTS = f"hear-VERSION/tasks/TASK/... or tasks/TASK/... in a {SUFFIXES[0]} file"
_DESKTOP_FILES = ("._", ".DS_Store")  # beside every file that was packed on a Mac


class ArchiveError(ValueError):
    """A tarball that cannot be unpacked; the message names it."""


def read_first_audio(archive: pathlib.Path) -> tuple[str, str]:
    """Task directory and sample rate of the first audio of a tarball, read no further than that.

    Raises:
        ArchiveError: see `unpack`.
    """
    with opened(archive) as files:
        for path, _, _ in files:
            audio = audio_of(path)
            if audio:
                return audio
    raise ArchiveError(f"{archive}: expected audio in TASK/48000/SPLIT/*.wav, found none; is it another tarball?")


def audio_of(member: str) -> tuple[str, str] | None:
    """Task directory and sample rate of a file of audio, None for other files."""
    parts = member.split("/")
    return (parts[0], parts[1]) if len(parts) > 3 and parts[1].isdecimal() else None


@contextlib.contextmanager
def opened(
    archive: pathlib.Path, advance: Callable[[int], None] = lambda _: None
) -> Iterator[Iterator[tuple[str, IO[bytes], int]]]:
    """The files of a tarball, compressed or not; says what the errors of a damaged one mean.

    Args:
        archive: the tarball.
        advance: called with the number of its bytes that were read so far.

    Returns:
        Path below the tasks' folder, contents and size in bytes of each file, up to the checked end. The contents have
        to be read before the next file is asked for.
    """
    try:
        with archive.open("rb") as file:
            compressed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            counted = cast(BinaryIO, _Counted(file, advance))
            with gzip.GzipFile(fileobj=counted) if compressed else contextlib.nullcontext(counted) as stream:
                yield _files(archive, cast(BinaryIO, stream))
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        size = archive.stat().st_size
        if isinstance(error, EOFError) or (str(error) in _TAR_ENDS and size >= tarfile.BLOCKSIZE):
            raise ArchiveError(
                f"{archive}: truncated: it ends after {size} bytes in the middle of its contents, most likely an "
                "interrupted download; download it again"
            ) from error
        raise ArchiveError(
            f"{archive}: expected {_LAYOUTS}, could not read it ({error}); is it truncated, damaged, or a web "
            "page that was downloaded in its place? Download it again"
        ) from error


class _Counted:
    """A binary file that says how far it was read."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]) -> None:
        self._file, self._advance = file, advance

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._advance(self._file.tell())
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _files(archive: pathlib.Path, stream: BinaryIO) -> Iterator[tuple[str, IO[bytes], int]]:
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=StrictTarInfo) as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # tarfile keeps each one otherwise
            path = _checked_path(archive, member)
            contents = tar.extractfile(member) if path and member.isfile() else None
            if path and contents:
                yield path, contents, member.size
        end = tar.offset
    check_end(stream, end)  # of a compressed one, reads on to its checksum


def _checked_path(archive: pathlib.Path, member: tarfile.TarInfo) -> str | None:
    """Path of a member below the tasks' folder, None for what is not a task's."""
    path = pathlib.PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f"{archive}: refused: member {member.name!r} leads outside the folder to unpack to")
    if "\0" in member.name:
        raise ArchiveError(f"{archive}: damaged: member {member.name!r} has no name that a file can have")
    if not (member.isfile() or member.isdir()):
        kind = "a link" if member.issym() or member.islnk() else "a device or other special file"
        raise ArchiveError(f"{archive}: refused: member {member.name!r} is {kind}; expected files and folders only")
    if path.name.startswith(_DESKTOP_FILES) or member.isdir():
        return None
    parts = path.parts[1:] if path.parts[:1] and path.parts[0].startswith("hear-") else path.parts
    if len(parts) < 3 or parts[0] != "tasks" or parts[1].startswith("."):
        raise ArchiveError(f"{archive}: expected {_LAYOUTS}, got member {member.name!r}")
    return "/".join(parts[1:])
