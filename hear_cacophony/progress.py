"""Progress through long work, with the time left: a line that changes on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import abc
import sys
import threading
import time
from typing import Self

INTERVAL_SECONDS = 30.0
"""Least time between two lines where there is no terminal."""

_REFRESH_SECONDS = 0.2


class ProgressLine(abc.ABC):
    """Reports on standard error what `line` tells. May be used by several threads."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._start = self._last = time.monotonic()
        self._lock = threading.Lock()

    @abc.abstractmethod
    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            self._print()
            print(file=sys.stderr)

    def tick(self) -> None:
        """Report, unless that was done a moment ago."""
        with self._lock:
            now = time.monotonic()
            if now - self._last >= (_REFRESH_SECONDS if self._terminal else INTERVAL_SECONDS):
                self._last = now
                self._print()

    def _print(self) -> None:
        start, end = ("\r", "\x1b[K") if self._terminal else ("", "\n")
        print(f"{start}{self.line(time.monotonic() - self._start)}{end}", end="", file=sys.stderr, flush=True)


class FileProgress(ProgressLine):
    """How many of `total` files are done."""

    def __init__(self, title: str, total: int) -> None:
        super().__init__()
        self._title, self._total = title, total
        self._done = 0
        self._earlier: int | None = None

    def advance(self, files: int) -> None:
        """So many more files are done; the first call tells what earlier runs have done."""
        self._done += files
        if self._earlier is None:
            self._earlier = self._done
        self.tick()

    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""
        left = time_left(self._done - (self._earlier or 0), self._total - self._done, seconds)
        return f"{self._title}: {self._done} of {self._total} files, {left}"


class ByteProgress(ProgressLine):
    """How many of `total` bytes are done."""

    def __init__(self, title: str, total: int) -> None:
        super().__init__()
        self._title, self._total = title, total
        self._done = 0

    def advance(self, size: int) -> None:
        """So many more bytes are done."""
        with self._lock:
            self._done += size
        self.tick()

    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""
        part = self._done / max(self._total, 1)
        speed = self._done / 1e6 / max(seconds, 1e-9)
        left = time_left(self._done, self._total - self._done, seconds)
        return f"{self._title}: {part:4.0%} of {self._total / 1e6:,.1f} MB, {speed:,.1f} MB/s, {left}"


class TransferProgress(ProgressLine):
    """How much has come of files whose sizes may be learnt while they come."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._files = self._total = self._earlier = self._came = self._done_files = 0

    def expect(self, files: int, total: int, earlier: int) -> None:
        """So many files are to come.

        Args:
            files: how many.
            total: bytes of them, as far as they are known.
            earlier: bytes of them that earlier runs have brought.
        """
        self._files, self._total, self._earlier = files, total, earlier

    def advance(self, size: int) -> None:
        """So many more bytes have come; fewer, where some have to come again."""
        with self._lock:
            self._came += size
        self.tick()

    def finish(self) -> None:
        """One more file is done."""
        with self._lock:
            self._done_files += 1
        self.tick()

    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""
        done = self._earlier + self._came
        speed = max(0, self._came) / 1e6 / max(seconds, 1e-9)
        told = f"{self._title}: {self._done_files} of {self._files} files, {done / 1e6:,.1f}"
        if self._total < done or not self._total:  # a host did not tell beforehand
            return f"{told} MB, {speed:,.1f} MB/s, time left unknown"
        left = time_left(self._came, self._total - done, seconds)
        return f"{told} of {self._total / 1e6:,.1f} MB, {speed:,.1f} MB/s, {left}"


def time_left(done: float, to_do: float, seconds: float) -> str:
    """How long the rest takes, by what was done in so many seconds; whatever both are counted in."""
    return f"{clock(to_do * seconds / done)} left" if done > 0 else "time left unknown"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
