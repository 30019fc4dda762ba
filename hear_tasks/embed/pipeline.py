"""What goes on beside the computing: batches are read ahead, and results written."""

from __future__ import annotations

import collections
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_tasks.embed.plan import Plan
from hear_tasks.embed.results import Results
from hear_tasks.embed.work_folder import WorkFolder

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch

READERS = 4
"""Threads that read clips."""

READ_AHEAD = 3
"""Batches that are read before they are needed."""


class Reader:
    """Reads batches ahead, in order."""

    def __init__(self, plan: Plan, batches: list[Batch]) -> None:
        self._plan, self._batches = plan, iter(batches)
        self._pool = ThreadPoolExecutor(READERS)
        self._ahead: collections.deque[Future[np.ndarray]] = collections.deque()

    def __enter__(self) -> Reader:
        for _ in range(READ_AHEAD):
            self._submit()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _submit(self) -> None:
        batch = next(self._batches, None)
        if batch is not None:
            self._ahead.append(self._pool.submit(self._plan.read, batch))

    def next(self) -> np.ndarray:
        """The audio of the next batch."""
        audio = self._ahead.popleft().result()
        self._submit()
        return audio


class Writer:
    """One thread that writes what is put to it."""

    def __init__(self, work: WorkFolder, results: Results) -> None:
        self._work, self._results = work, results
        self._queue: queue.Queue = queue.Queue(maxsize=READ_AHEAD)
        self._thread = threading.Thread(target=self._run, name="writer")
        self._error: BaseException | None = None

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def put(self, batch: Batch, embedded: np.ndarray) -> None:
        """Have the results of a batch written.

        Raises:
            OSError: earlier ones could not be written.
        """
        self._raise()
        self._queue.put((batch, embedded))

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        for batch, embedded in iter(self._queue.get, None):
            if self._error is None:
                self._try(self._write, batch, embedded)
        self._try(self._work.flush)

    def _write(self, batch: Batch, embedded: np.ndarray) -> None:
        self._results.write(self._work, batch, embedded, self._work.missing(batch.windows))
        self._work.mark(batch.windows)

    def _try(self, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except BaseException as error:
            self._error = self._error or error
