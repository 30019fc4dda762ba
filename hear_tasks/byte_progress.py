"""Progress in bytes with the time left: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import threading
import time

INTERVAL_SECONDS = 10.0
"""Least time between two lines where there is no terminal."""


class Progress:
    """Reports on standard error how much of `total` bytes is done. May be used by several threads."""

    def __init__(self, title: str, total: int, interval: float = INTERVAL_SECONDS) -> None:
        from tqdm import tqdm  # here, so that the command line starts where the package's extra is not installed

        self._title, self._total, self._interval = title, total, interval
        self._done = 0
        self._start = self._last = time.monotonic()
        self._lock = threading.Lock()
        self._lines = not sys.stderr.isatty()
        self._format = tqdm.format_meter
        self._bar = tqdm(total=total, desc=title, unit="B", unit_scale=True, disable=self._lines)

    def update(self, done: int) -> None:
        """`done` more bytes are done."""
        with self._lock:
            self._done += done
            self._bar.update(done)
            now = time.monotonic()
            if self._lines and now - self._last >= self._interval:
                self._last = now
                self._print_line(now)

    def _print_line(self, now: float) -> None:
        line = self._format(
            self._done, self._total, now - self._start, ncols=0, prefix=self._title, unit="B", unit_scale=True
        )
        print(line, file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
