"""Times that can be compared, and compilations counted."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"
"""What jax calls the making of a compiled function, from source or from the cache on disk."""


def seconds_of(action: Callable[[], Any]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleave(actions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each action.

    They take turns, `rounds` times, and the first one ends what it began: whatever else the machine does
    meets all of them alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            taken[name].append(seconds_of(action))
    first = next(iter(actions))
    taken[first].append(seconds_of(actions[first]))
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


class Compilations:
    """Counts the functions that are compiled, or fetched from the cache on disk.

    Attributes:
        count: functions so far.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: str, duration_secs: float, **_: str | int) -> None:
        self.count += event == _COMPILED


@contextlib.contextmanager
def count_compilations() -> Iterator[Compilations]:
    """Count the functions that are compiled within."""
    counter = Compilations()
    jax.monitoring.register_event_duration_secs_listener(counter)
    try:
        yield counter
    finally:
        jax.monitoring.unregister_event_duration_listener(counter)
