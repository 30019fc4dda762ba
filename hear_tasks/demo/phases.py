"""Progress of the demonstration: a line for each phase, which tells the time while the phase takes it."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

TERMINAL_SECONDS = 1.0
"""Between two updates of a phase's line on a terminal."""

INTERVAL_SECONDS = 20.0
"""Between two lines on a phase where there is no terminal."""


class Phases:
    """Numbers the phases of a run and reports on each, on standard output.

    Args:
        total: how many there will be.
        interval: seconds between two lines where there is no terminal.
    """

    def __init__(self, total: int, interval: float = INTERVAL_SECONDS) -> None:
        self._total, self._interval = total, interval
        self._number = 0
        self._terminal = sys.stdout.isatty()

    @contextlib.contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Report on what is done within."""
        self._number += 1
        head = f"demo: {self._number} of {self._total}: {title}"
        start, ended = time.monotonic(), threading.Event()
        ticking = threading.Thread(target=self._tick, args=(head, start, ended), daemon=True)
        self._show(f"{head} ...")
        ticking.start()
        result = "failed after"
        try:
            yield
            result = "done in"
        finally:
            ended.set()
            ticking.join()
            self._show(f"{head}: {result} {time.monotonic() - start:.0f} s", last=True)

    def _tick(self, head: str, start: float, ended: threading.Event) -> None:
        while not ended.wait(TERMINAL_SECONDS if self._terminal else self._interval):
            self._show(f"{head}: {time.monotonic() - start:.0f} s so far ...")

    def _show(self, line: str, *, last: bool = False) -> None:
        """A line of its own; on a terminal, in place of the line before."""
        if self._terminal:
            print(f"\r\x1b[K{line}", end="\n" if last else "", flush=True)
        else:
            print(line, flush=True)
