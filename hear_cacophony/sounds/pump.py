"""What goes on beside the computing: things are read ahead, and results written."""

from __future__ import annotations

import collections
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

READERS = 4
"""Threads that read."""

MOST_WAITING = 3
"""Results that wait to be written before the computing waits for them."""


class ReadAhead(Generic[T, R]):
    """Reads groups of things, those of a group at once; a group is there while the ones before it are computed.

    An iterator over what was read, one list for each group in order; errors of `read` come with their group.

    Args:
        groups: what to read.
        read: reads one thing; several threads call it.
        ahead: groups that are read before they are asked for.
    """

    def __init__(self, groups: Iterable[Sequence[T]], read: Callable[[T], R], ahead: int = 1) -> None:
        self._groups, self._read, self._ahead = iter(groups), read, ahead
        self._pool = ThreadPoolExecutor(READERS)
        self._coming: collections.deque[list[Future[R]]] = collections.deque()

    def __enter__(self) -> Self:
        for _ in range(self._ahead):
            self._submit()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _submit(self) -> None:
        group = next(self._groups, None)
        if group is not None:
            self._coming.append([self._pool.submit(self._read, each) for each in group])

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[R]:
        if not self._coming:
            raise StopIteration
        read = [each.result() for each in self._coming.popleft()]
        self._submit()
        return read


class WriteBehind(Generic[T]):
    """One thread that writes what is put to it, in order.

    Args:
        write: writes one thing.
        finish: called in the end, also after an error.
    """

    def __init__(self, write: Callable[[T], object], finish: Callable[[], object] = lambda: None) -> None:
        self._write, self._finish = write, finish
        self._queue: queue.Queue[tuple[T] | None] = queue.Queue(maxsize=MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="writer")
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def put(self, thing: T) -> None:
        """Have a thing written.

        Raises:
            OSError: earlier ones could not be written.
        """
        self._raise()
        self._queue.put((thing,))

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        for (thing,) in iter(self._queue.get, None):
            if self._error is None:
                self._try(self._write, thing)
        self._try(self._finish)

    def _try(self, action: Callable[..., object], *arguments: T) -> None:
        try:
            action(*arguments)
        except BaseException as error:
            self._error = self._error or error
