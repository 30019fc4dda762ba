"""Unpacking the tarballs that HEAR tasks are published as, whole or not at all.

A tarball is read as a stream, once. Its tasks are built in a folder of their own, which takes its place
when the last byte has been read and checked, so that a folder with a task's audio is always a whole one.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import pathlib
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, cast

from hear_cacophony.files.full_disk import describe_full, is_full

SUFFIXES = (".tar.gz", ".tgz", ".tar")
"""Ends of the names of tarballs. Whether one is compressed is told by its content: browsers unpack `.tar.gz` files."""

UNFINISHED = ".unpacking-"
"""Start of the names of folders that are being unpacked to."""

_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_TAR_ENDS = ("unexpected end of data", "truncated header")  # tarfile's words, which has no error of its own for it
_LAYOUTS = f"hear-VERSION/tasks/TASK/... or tasks/TASK/... in a {SUFFIXES[0]} file"
_DESKTOP_FILES = ("._", ".DS_Store")  # beside every file that was packed on a Mac


class ArchiveError(ValueError):
    """A tarball that cannot be unpacked; the message names it."""


def unpack(archive: pathlib.Path, tasks: pathlib.Path, advance: Callable[[int], None] = lambda _: None) -> list[str]:
    """Unpack a tarball of HEAR tasks, unless all of its audio is there already.

    Files of a task that is there already, say with audio at another rate, stay as they are.

    Args:
        archive: the tarball, of either published layout.
        tasks: folder for the task directories.
        advance: called with the number of bytes of the tarball that were read since the last call.

    Returns:
        The directory names of its tasks.

    Raises:
        ArchiveError: truncated, damaged, not a tarball of HEAR tasks, a member that may not be
            unpacked (a path that leads outside, a link, a device), no room, or other contents than those
            of a task that is there. Nothing of the tarball is left in `tasks`.
    """
    first, rate = read_first_audio(archive)
    if (tasks / first / rate).is_dir():
        if is_all_of(archive, tasks / first / rate):
            advance(archive.stat().st_size)
            return [first]
        audio = read_contents(archive, advance)
        if all((tasks / name / each).is_dir() for name, each in audio):
            return _names(audio)
        advance = uncounted(advance)
    part = tasks / f"{UNFINISHED}{archive.name}"
    try:
        _check_room(archive, tasks)
        audio = _extract(archive, part, advance)
        os.sync()  # a folder that has its final name is whole, even after a loss of power
        _move(archive, part, tasks)
        if len(audio) == 1:
            _stamp(archive, tasks / first / rate)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _names(audio)


def _names(audio: list[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for name, _ in audio))


def is_all_of(archive: pathlib.Path, audio: pathlib.Path) -> bool:
    """Whether a folder of audio is all that a tarball holds, without reading the tarball to its end."""
    return audio.stat().st_mtime_ns == archive.stat().st_mtime_ns


def _stamp(archive: pathlib.Path, audio: pathlib.Path) -> None:
    """Note, as the folder's time, that a tarball holds no other audio, which saves later runs a second reading."""
    os.utime(audio, ns=(archive.stat().st_atime_ns, archive.stat().st_mtime_ns))


def uncounted(advance: Callable[[int], None]) -> Callable[[int], None]:
    """For a tarball that is read once more: its bytes count once."""
    return lambda _: advance(0)


def remove_unfinished(tasks: pathlib.Path) -> None:
    """Remove what a killed run has left."""
    for part in tasks.glob(f"{UNFINISHED}*"):
        shutil.rmtree(part)


def read_first_audio(archive: pathlib.Path) -> tuple[str, str]:
    """Task directory and sample rate of the first audio of a tarball, read no further than that.

    Raises:
        ArchiveError: see `unpack`.
    """
    with _opened(archive) as stream:
        for member, _ in _files(archive, stream):
            audio = _audio(member)
            if audio:
                return audio
    raise ArchiveError(f"{archive}: expected audio in TASK/48000/SPLIT/*.wav, found none; is it another tarball?")


def read_contents(archive: pathlib.Path, advance: Callable[[int], None] = lambda _: None) -> list[tuple[str, str]]:
    """Task directory and sample rate of all audio of a tarball, which is read to its end.

    Raises:
        ArchiveError: see `unpack`.
    """
    with _opened(archive, advance) as stream:
        audio = dict.fromkeys(_audio(member) for member, _ in _files(archive, stream))
    return [each for each in audio if each]


def _audio(member: str) -> tuple[str, str] | None:
    """Task directory and sample rate of a file of audio, None for other files."""
    parts = member.split("/")
    return (parts[0], parts[1]) if len(parts) > 3 and parts[1].isdecimal() else None


@contextlib.contextmanager
def _opened(archive: pathlib.Path, advance: Callable[[int], None] = lambda _: None) -> Iterator[BinaryIO]:
    """The tar stream of a tarball, compressed or not; says what the errors of a damaged file mean."""
    with _reading(archive), archive.open("rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        counted = cast(BinaryIO, _Counted(file, advance))
        with gzip.GzipFile(fileobj=counted) if compressed else contextlib.nullcontext(counted) as stream:
            yield cast(BinaryIO, stream)


@contextlib.contextmanager
def _reading(archive: pathlib.Path) -> Iterator[None]:
    """Says what the errors of a damaged file mean."""
    try:
        yield
    except EOFError as error:
        raise ArchiveError(_truncated(archive)) from error
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        if str(error) in _TAR_ENDS and archive.stat().st_size >= tarfile.BLOCKSIZE:
            raise ArchiveError(_truncated(archive)) from error
        raise ArchiveError(
            f"{archive}: expected {_LAYOUTS}, could not read it ({error}); is it truncated, damaged, or a web "
            "page that was downloaded in its place? Download it again"
        ) from error


def _truncated(archive: pathlib.Path) -> str:
    return (
        f"{archive}: truncated: it ends after {archive.stat().st_size} bytes in the middle of its contents, "
        "most likely an interrupted download; download it again"
    )


class _Counted:
    """A binary file that says how far it was read."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]) -> None:
        self._file, self._advance = file, advance
        self.position = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count()
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _count(self) -> None:
        done = max(0, self._file.tell() - self.position)
        self.position += done
        self._advance(done)


def _files(archive: pathlib.Path, stream: BinaryIO) -> Iterator[tuple[str, tuple[IO[bytes], int]]]:
    """Path below the tasks' folder, contents and size of each file, up to the checked end of the stream.

    The contents have to be read before the next file is asked for.
    """
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # tarfile keeps each one otherwise
            path = _checked_path(archive, member)
            contents = tar.extractfile(member) if path and member.isfile() else None
            if path and contents:
                yield path, (contents, member.size)
        end = tar.offset
    _check_end(archive, stream, end)


def _checked_path(archive: pathlib.Path, member: tarfile.TarInfo) -> str | None:
    """Path of a member below the tasks' folder, None for what is not a task's."""
    path = pathlib.PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f"{archive}: refused: member {member.name!r} leads outside the folder to unpack to")
    if not (member.isfile() or member.isdir()):
        kind = "a link" if member.issym() or member.islnk() else "a device or other special file"
        raise ArchiveError(f"{archive}: refused: member {member.name!r} is {kind}; expected files and folders only")
    if path.name.startswith(_DESKTOP_FILES) or member.isdir():
        return None
    parts = path.parts[1:] if path.parts[:1] and path.parts[0].startswith("hear-") else path.parts
    if len(parts) < 3 or parts[0] != "tasks" or parts[1].startswith("."):
        raise ArchiveError(f"{archive}: expected {_LAYOUTS}, got member {member.name!r}")
    return "/".join(parts[1:])


def _check_end(archive: pathlib.Path, stream: BinaryIO, end: int) -> None:
    """Read on to the checksum of the stream; tarfile takes a header it cannot read for the end."""
    while block := stream.read(_BLOCK):
        if block.strip(b"\0"):
            raise ArchiveError(f"{archive}: damaged: data that cannot be read after {end} bytes; download it again")
    if stream.tell() < end + tarfile.BLOCKSIZE:
        raise ArchiveError(_truncated(archive))


def _extract(archive: pathlib.Path, part: pathlib.Path, advance: Callable[[int], None]) -> list[tuple[str, str]]:
    """Write the files of a tarball below `part`; task directory and sample rate of its audio."""
    written = read = 0
    audio: dict[tuple[str, str], None] = {}

    def count(done: int) -> None:
        nonlocal read
        read += done
        advance(done)

    free = shutil.disk_usage(part.parent).free
    with _opened(archive, count) as stream:
        try:
            for path, (contents, size) in _files(archive, stream):
                _write(archive, part / path, contents)
                written += size
                of = _audio(path)
                if of:
                    audio[of] = None
        except OSError as error:
            if not is_full(error):
                raise
            whole = max(written * archive.stat().st_size // max(1, read), archive.stat().st_size)
            raise ArchiveError(_no_room(archive, whole, part.parent, free, error)) from error
    return list(audio)


def _write(archive: pathlib.Path, file: pathlib.Path, contents: IO[bytes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("xb") as target:
            shutil.copyfileobj(contents, target, _BLOCK)
    except FileExistsError as error:
        raise ArchiveError(f"{archive}: holds {file.name} of {file.parent.name} twice") from error


def _check_room(archive: pathlib.Path, tasks: pathlib.Path) -> None:
    needed, free = archive.stat().st_size, shutil.disk_usage(tasks).free
    if free < needed:
        raise ArchiveError(_no_room(archive, needed, tasks, free, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))


def _no_room(archive: pathlib.Path, needed: int, tasks: pathlib.Path, free: int, error: OSError) -> str:
    told = describe_full(error, tasks, f"unpacked to {tasks} it needs about {needed / 1e6:.1f} MB or more", free)
    return f"{archive}: {told} and run the same command again; nothing of this tarball was kept"


def _move(archive: pathlib.Path, part: pathlib.Path, tasks: pathlib.Path) -> None:
    """Move what was unpacked to its place; the audio, which tells that a task is whole, comes after the files."""
    entries = sorted(
        (entry for task in part.iterdir() for entry in task.iterdir()), key=lambda entry: (entry.is_dir(), entry)
    )
    for entry in entries:
        _check_same(archive, entry, tasks / entry.parent.name / entry.name)
    for entry in entries:
        target = tasks / entry.parent.name / entry.name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            entry.rename(target)


def _check_same(archive: pathlib.Path, unpacked: pathlib.Path, there: pathlib.Path) -> None:
    if unpacked.is_file() and there.is_file() and unpacked.read_bytes() != there.read_bytes():
        raise ArchiveError(
            f"{archive}: its {unpacked.name} differs from {there}, which is there already; is it of another "
            "version of the task? Choose another folder, or move that one away"
        )
