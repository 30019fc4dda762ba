"""The MD5 of a file, while something else reads it."""

from __future__ import annotations

import hashlib
import pathlib
import threading

DIGEST_BLOCK = 1 << 22
"""Bytes that are digested at a time."""


class FileDigest:
    """The MD5 of a file, computed on a thread of its own while the file is read."""

    def __init__(self, file: pathlib.Path) -> None:
        self._file = file
        self._digest = hashlib.md5(usedforsecurity=False)
        self._stopped = False
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FileDigest:
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._stopped = True
        self._thread.join()

    def md5(self) -> str:
        """Wait for the end of the file and return the digest in hexadecimal."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest()

    def _run(self) -> None:
        try:
            with self._file.open("rb") as stream:
                while not self._stopped and (block := stream.read(DIGEST_BLOCK)):
                    self._digest.update(block)
        except OSError as error:
            self._error = error
