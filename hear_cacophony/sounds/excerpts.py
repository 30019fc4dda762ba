"""Sounds along time: cut into excerpts of some seconds, each of which is a clip of its own."""

from __future__ import annotations

from hear_cacophony.frontend.resample import SAMPLE_RATE

LEAST_SECONDS = 0.2
"""Shortest excerpt: a patch, and a little more."""


def excerpt_bounds(samples: int, seconds: float) -> list[tuple[int, int]]:
    """First sample of each excerpt and the one behind its last, one excerpt after the other.

    A rest of less than half an excerpt goes to the one before.
    """
    length = round(min(seconds * SAMPLE_RATE, samples))
    count = max(1, (samples + length // 2) // length)
    starts = [i * length for i in range(count)]
    return list(zip(starts, [*starts[1:], samples], strict=True))


def excerpt_times(samples: int, seconds: float) -> list[tuple[float, float]]:
    """The same in seconds."""
    return [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in excerpt_bounds(samples, seconds)]
