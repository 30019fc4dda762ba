"""Room for what goes again when it is used: for two tasks at a time, and for no more bytes than two neighbours take."""

from __future__ import annotations

import itertools
import pathlib
import threading
from collections.abc import Callable, Mapping, Sequence

from hear_tasks.reproduce.record import POLL_SECONDS
from hear_tasks.reproduce.run_job import Stop

AT_A_TIME = 2
"""Tasks of which what goes again is there at a time: one that is prepared or embedded, one that comes."""


def most_bytes(passing: Sequence[int]) -> int:
    """Bytes that tasks may take together.

    Args:
        passing: of each task, in their order.
    """
    return max([*passing, *map(sum, itertools.pairwise(passing))], default=0)


def most_beside(passing: Sequence[int], number: int) -> int:
    """Bytes that another task may take while the one of that number, and all between them, find room."""
    most = most_bytes(passing)
    between = 0
    beside = 0
    for i in range(number, 0, -1):
        between = max(between, passing[i])
        if passing[i - 1] + between <= most:
            beside = max(beside, passing[i - 1])
    return beside


class Passage:
    """Which tasks are on their way.

    Args:
        passing: bytes of each task, in their order.
        remove: removes what is there of a task that has failed.
        stop: ends all waits.
    """

    def __init__(self, passing: Mapping[pathlib.Path, int], remove: Callable[[pathlib.Path], None], stop: Stop) -> None:
        self._passing, self._remove, self._stop = passing, remove, stop
        self._most = most_bytes(list(passing.values()))
        self._changed = threading.Condition()
        self._inside: set[pathlib.Path] = set()
        self._failed: list[pathlib.Path] = []

    def enter(self, task: pathlib.Path) -> bool:
        """Wait for room, which tasks that have failed make; False where all is to stop."""
        with self._changed:
            while not self._stop.is_requested():
                if self._has_room_for(task):
                    self._inside.add(task)
                    return True
                if self._failed:
                    self._leave_failed()
                else:
                    self._changed.wait(POLL_SECONDS)  # the stop tells nobody
        return False

    def leave(self, task: pathlib.Path) -> None:
        """What goes of a task is gone."""
        with self._changed:
            self._inside.discard(task)
            self._changed.notify_all()

    def fail(self, task: pathlib.Path) -> None:
        """What is there of a task stays until another one needs its room."""
        with self._changed:
            self._failed.append(task)
            self._changed.notify_all()

    def _has_room_for(self, task: pathlib.Path) -> bool:
        used = sum(self._passing.get(each, 0) for each in self._inside)
        return len(self._inside) < AT_A_TIME and used + self._passing.get(task, 0) <= self._most

    def _leave_failed(self) -> None:
        task = self._failed.pop(0)
        self._remove(task)
        self._inside.discard(task)
