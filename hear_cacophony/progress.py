"""Progress through a number of files, with the time left: one line that changes on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time

INTERVAL_SECONDS = 30.0
"""Least time between two lines where there is no terminal."""

_REFRESH_SECONDS = 0.2


class FileProgress:
    """Reports on standard error how many of `total` files are done."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._done = 0
        self._earlier: int | None = None
        self._terminal = sys.stderr.isatty()
        self._start = self._last = time.monotonic()

    def __enter__(self) -> FileProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            self._print()
            print(file=sys.stderr)

    def advance(self, files: int) -> None:
        """So many more files are done; the first call tells what earlier runs have done."""
        self._done += files
        if self._earlier is None:
            self._earlier = self._done
        now = time.monotonic()
        if now - self._last >= (_REFRESH_SECONDS if self._terminal else INTERVAL_SECONDS):
            self._last = now
            self._print()

    def _print(self) -> None:
        start, end = ("\r", "\x1b[K") if self._terminal else ("", "\n")
        print(f"{start}{self.line(time.monotonic() - self._start)}{end}", end="", file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""
        here = self._done - (self._earlier or 0)
        left = f"{clock((self._total - self._done) * seconds / here)} left" if here else "time left unknown"
        return f"{self._title}: {self._done} of {self._total} files, {left}"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
