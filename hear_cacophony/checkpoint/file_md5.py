"""The MD5 of a checkpoint, by which the published files are known: computed once for each state of a file."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import threading

from hear_cacophony.files.atomic_write import write_text
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.files.file_identity import ContentDigests, FileState

DIGEST_BLOCK = 1 << 22
"""Bytes that are digested at a time."""


class FileDigest:
    """The MD5 of a file, computed on a thread of its own while the file is read, unless it is known from before.

    Args:
        file: the file.
        without: a digest in its first `DIGEST_BLOCK`, of all the rest of it, for which zeros are digested.
    """

    def __init__(self, file: pathlib.Path, without: str = "") -> None:
        self._file, self._without = file, without.encode()
        self._digest = hashlib.md5(usedforsecurity=False)
        self._stopped = False
        self._error: OSError | None = None
        self._state = FileState.of(file)
        self._known = _read_known().known(self._state)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FileDigest:
        if self._known is None:
            self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._stopped = True
        if self._known is None:
            self._thread.join()

    def md5(self) -> str:
        """Wait for the end of the file and return the digest in hexadecimal."""
        if self._known is not None:
            return self._known
        self._thread.join()
        if self._error is not None:
            raise self._error
        md5 = self._digest.hexdigest()
        if self._state.holds():
            _keep(self._state, md5)
        return md5

    def _run(self) -> None:
        try:
            with self._file.open("rb") as stream:
                first = stream.read(DIGEST_BLOCK)
                self._digest.update(first.replace(self._without, b"0" * len(self._without), 1))
                while not self._stopped and (block := stream.read(DIGEST_BLOCK)):
                    self._digest.update(block)
        except OSError as error:
            self._error = error


def _kept_file() -> pathlib.Path:
    return cache_folder("checkpoints.json")


def _read_known() -> ContentDigests:
    return ContentDigests.kept_in(_kept_file())


def _keep(state: FileState, md5: str) -> None:
    """Have the next process find it; where the cache cannot be written to, it computes it again."""
    rows = [row for row in _read_known().rows() if row[0] != state.place and os.path.exists(row[0])]
    with contextlib.suppress(OSError):
        write_text(_kept_file(), json.dumps([*rows, [*dataclasses.astuple(state), md5]]))
