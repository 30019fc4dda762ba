"""Which file a kept value is of: the one with the same content, wherever it lies and whatever its name and times.

A file is read for its digest but where nothing about it has changed since it was read before.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import pathlib
import stat
import threading
from collections.abc import Iterable, Sequence
from typing import Self

from hear_cacophony.files.json_file import read_json

DIGEST_BYTES = 16
_BLOCK_BYTES = 1 << 18


@dataclasses.dataclass(frozen=True)
class FileState:
    """What tells, without reading it, that a file is as it was.

    Attributes:
        place: its absolute path, links followed.
        size: in bytes.
        mtime_ns: time of its last change, in nanoseconds, which programs set as they like.
        ctime_ns: time when its content, times or name were last changed, in nanoseconds, which only the system sets.
        inode: its number in its file system.
    """

    place: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Self:
        """The state of a file now.

        Raises:
            OSError: it cannot be looked at.
        """
        return cls._at(os.path.realpath(path))

    @classmethod
    def _at(cls, place: str) -> Self:
        status = os.stat(place)
        return cls(place, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def tells_of_changes(self) -> bool:
        """Whether its times are those of the system; an image that is mounted has those that its maker chose."""
        return self.ctime_ns != self.mtime_ns or self.ctime_ns % 1_000_000_000 != 0

    def holds(self) -> bool:
        """Whether the file is still so."""
        try:
            return self._at(self.place) == self
        except OSError:
            return False


def content_digest(path: str | os.PathLike[str]) -> str:
    """Digest of the bytes of a file, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe is to wait for who writes to it
        raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class ContentDigests:
    """Digests of the contents of files, each taken once for each state of its file. May be used by several threads.

    Args:
        rows: those of an earlier process, as `rows` gave them.
    """

    def __init__(self, rows: Iterable[Sequence[str | int]] = ()) -> None:
        self._known = {FileState(str(place), *map(int, state)): str(digest) for place, *state, digest in rows}
        self._lock = threading.Lock()

    @classmethod
    def kept_in(cls, file: pathlib.Path) -> Self:
        """Those whose `rows` a file holds as JSON; none where it is not there, or damaged: they are taken again."""
        try:
            return cls(read_json(file))
        except (OSError, ValueError, TypeError):
            return cls()

    def of(self, path: str | os.PathLike[str]) -> str:
        """As `content_digest`, of a file that is read only if it has changed, or was never read before."""
        state = FileState.of(path)
        known = self.known(state)
        if known is not None:
            return known
        digest = content_digest(state.place)
        if state.tells_of_changes and state.holds():  # what changed meanwhile is read again the next time
            with self._lock:
                self._known[state] = digest
        return digest

    def known(self, state: FileState) -> str | None:
        """The digest of a file in a state that was seen before, without looking at the file; None otherwise."""
        with self._lock:
            return self._known.get(state) if state.tells_of_changes else None

    def rows(self) -> list[list[str | int]]:
        """All that is known, for JSON."""
        with self._lock:
            return [[*dataclasses.astuple(state), digest] for state, digest in self._known.items()]
