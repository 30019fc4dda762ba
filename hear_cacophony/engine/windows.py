"""Long clips as equal windows with overlapping context."""

from __future__ import annotations

import dataclasses
import itertools

WINDOW_STEPS = 187
"""Longest window in time steps of 160 ms, unless told otherwise: the whole steps in 30 s."""

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


def cut_windows(steps: int, window_steps: int = WINDOW_STEPS) -> list[Window]:
    """Cut a clip of `steps` time steps into windows of `window_steps`.

    A clip of up to one window is not cut. A longer one is cut into as few windows as leave the
    required context; neighbours share their overlap half and half, so that each step is kept
    exactly once, from the window in which it has the most context.
    """
    if steps <= window_steps:
        return [Window(0, steps, 0, steps)]
    last_start = steps - window_steps
    gaps = -(-last_start // (window_steps - 2 * CONTEXT_STEPS))
    starts = [i * last_start // gaps for i in range(gaps + 1)]
    cuts = [(start + previous + window_steps) // 2 for previous, start in itertools.pairwise(starts)]
    bounds = [0, *cuts, steps]
    return [
        Window(start, start + window_steps, keep_start, keep_stop)
        for start, keep_start, keep_stop in zip(starts, bounds[:-1], bounds[1:], strict=True)
    ]
