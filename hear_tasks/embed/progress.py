"""Progress through a task: clips, hours of audio, speed in hours per hour, and the time left."""

from __future__ import annotations

import sys
import time

INTERVAL_SECONDS = 30.0
"""Least time between two lines where there is no terminal."""

_REFRESH_SECONDS = 0.2


class TaskProgress:
    """Reports on standard error: one line that changes on a terminal, now and then a line elsewhere."""

    def __init__(self, title: str, clips: int, samples: int, rate: int) -> None:
        self._title, self._total_clips, self._total_samples, self._rate = title, clips, samples, rate
        self._clips = 0.0
        self._samples = 0
        self._earlier: int | None = None
        self._terminal = sys.stderr.isatty()
        self._start = self._last = time.monotonic()

    def __enter__(self) -> TaskProgress:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._terminal:
            self._print()
            print(file=sys.stderr)

    def advance(self, clips: float, samples: int) -> None:
        """So many more clips and samples are done; the first call tells what earlier runs have done."""
        self._clips += clips
        self._samples += samples
        if self._earlier is None:
            self._earlier = self._samples
        now = time.monotonic()
        if now - self._last >= (_REFRESH_SECONDS if self._terminal else INTERVAL_SECONDS):
            self._last = now
            self._print()

    def _print(self) -> None:
        start, end = ("\r", "\x1b[K") if self._terminal else ("", "\n")
        print(f"{start}{self.line(time.monotonic() - self._start)}{end}", end="", file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""
        hours = 3600 * self._rate
        done, total = self._samples / hours, self._total_samples / hours
        speed = (self._samples - (self._earlier or 0)) / hours / max(seconds, 1e-9) * 3600
        left = f"{_clock((total - done) / speed * 3600)} left" if speed > 0 else "time left unknown"
        part = self._samples / self._total_samples
        return (
            f"{self._title}: {part:4.0%}, {self._clips:.0f} of {self._total_clips} clips, "
            f"{done:.2f} of {total:.2f} h of audio, {speed:.0f} h/h, {left}"
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
