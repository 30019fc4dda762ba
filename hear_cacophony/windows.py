"""Long clips as equal windows with overlapping context."""

from __future__ import annotations

import dataclasses
import itertools

WINDOW_STEPS = 187
"""Longest window in time steps of 160 ms: the whole steps in 30 s."""

CONTEXT_STEPS = 12
"""Least time steps of context between a patch that is kept and a cut: 1.9 s."""


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of a clip that the encoder sees at once, in time steps.

    Its outputs are kept from `keep_start` to `keep_stop`; the rest is context.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    @property
    def steps(self) -> int:
        return self.stop - self.start


def cut_windows(steps: int) -> list[Window]:
    """Cut a clip of `steps` time steps into windows.

    A clip of up to 30 s is one window. A longer one is cut into as few windows of 30 s as
    leave the required context; neighbours share their overlap half and half, so that each
    step is kept exactly once, from the window in which it has the most context.
    """
    if steps <= WINDOW_STEPS:
        return [Window(0, steps, 0, steps)]
    last_start = steps - WINDOW_STEPS
    gaps = -(-last_start // (WINDOW_STEPS - 2 * CONTEXT_STEPS))
    starts = [i * last_start // gaps for i in range(gaps + 1)]
    cuts = [(start + previous + WINDOW_STEPS) // 2 for previous, start in itertools.pairwise(starts)]
    bounds = [0, *cuts, steps]
    return [
        Window(start, start + WINDOW_STEPS, keep_start, keep_stop)
        for start, keep_start, keep_stop in zip(starts, bounds[:-1], bounds[1:], strict=True)
    ]
