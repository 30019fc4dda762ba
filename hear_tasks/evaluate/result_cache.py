"""What was computed of clips, kept on disk so that an evaluation that was killed goes on where it was.

A folder of chunks, each of them written whole or not at all. A value belongs to the name, the size and the time of
change of its clip's file, so that a file that was replaced is computed again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.files.lock import lock_file

_CHUNK = "chunk-*.npz"
_PART = ".part-"


FileState = tuple[str, int, int]
"""Number and name of a clip, and the bytes and the time of change in ns of its file."""


def file_state(name: str, path: pathlib.Path) -> FileState:
    """The state of a clip's file.

    Raises:
        OSError: it is not there any more.
    """
    status = path.stat()
    return name, status.st_size, status.st_mtime_ns


@dataclasses.dataclass(frozen=True)
class Kept:
    """What is kept of a clip.

    Attributes:
        value: a row of numbers, or a text.
        samples: length of the clip at 16 kHz.
    """

    value: Any
    samples: int


class KeptValues:
    """What is kept of clips. Made by `open_kept`.

    Attributes:
        damaged: a remark on each file that could not be read.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._values: dict[FileState, Kept] = {}
        self.damaged: list[str] = []
        for file in sorted(folder.glob(_CHUNK)):
            self._read(file)

    def _read(self, file: pathlib.Path) -> None:
        try:
            with file.open("rb") as raw, np.load(raw, allow_pickle=False) as chunk:
                states = zip(chunk["names"].tolist(), chunk["sizes"].tolist(), chunk["times"].tolist(), strict=True)
                self._take(list(states), chunk["values"], chunk["samples"].tolist())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            self.damaged.append(f"{file}: cannot be read ({error}); its clips are computed again")

    def __contains__(self, state: FileState) -> bool:
        return state in self._values

    def __getitem__(self, state: FileState) -> Kept:
        return self._values[state]

    def add(self, states: Sequence[FileState], values: np.ndarray, samples: Sequence[int]) -> None:
        """Keep the values and lengths of some clips, on disk before this returns."""
        names, sizes, times = zip(*states, strict=True)
        digest = hashlib.sha256(json.dumps(states).encode()).hexdigest()[:16]
        part = self._folder / f"{_PART}{os.getpid()}"
        with part.open("wb") as file:
            np.savez(
                file,
                names=np.array(names),
                sizes=np.array(sizes),
                times=np.array(times),
                values=values,
                samples=np.array(samples),
            )
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / f"chunk-{digest}.npz")
        self._take(states, values, samples)

    def _take(self, states: Sequence[FileState], values: np.ndarray, samples: Sequence[int]) -> None:
        for state, value, length in zip(states, values, samples, strict=True):
            self._values[state] = Kept(value, length)


@contextlib.contextmanager
def open_kept(folder: pathlib.Path, identity: Mapping[str, Any]) -> Iterator[KeptValues]:
    """The values that were kept under an identity, for this process alone.

    Args:
        folder: holds one folder for each identity.
        identity: all that a value depends on but its clip: weights, protocol and so on.

    Raises:
        BusyError: another process holds them.
    """
    text = json.dumps(identity, sort_keys=True, indent=1)
    own = folder / hashlib.sha256(text.encode()).hexdigest()[:12]
    own.mkdir(parents=True, exist_ok=True)
    with (own / "lock").open("w") as lock:
        lock_file(lock.fileno(), own / "lock", lambda message: print(f"evaluate: {message}", file=sys.stderr))
        for part in own.glob(f"{_PART}*"):
            part.unlink()
        (own / "identity.json").write_text(text + "\n", encoding="utf-8")
        yield KeptValues(own)
