"""The processes that resample."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import signal
from collections.abc import Iterable

from hear_cacophony.progress import ByteProgress
from hear_tasks.child_process import end_with_parent, signals_kept_from_children
from hear_tasks.prepare.plan import Plan
from hear_tasks.prepare.resample_clip import Clip, Tally, resample_clips

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Workers(contextlib.AbstractContextManager):
    """Processes that resample, and how far they are. They end with this one, however that ends."""

    def __init__(self, jobs: int, progress: ByteProgress) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other libraries' threads
        self._pool = concurrent.futures.ProcessPoolExecutor(jobs, context, _start)
        self._progress = progress
        self._most_pending = 4 * jobs
        self._others = set(multiprocessing.active_children())

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def end(self) -> None:
        """End them at once; what they write is left unfinished."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - self._others:
            process.kill()
            process.join()

    def resample(self, batches: Iterable[tuple[Plan, list[Clip]]]) -> None:
        """Make the clips of all batches, a few batches ahead at a time, until one cannot be written."""
        pending: dict[concurrent.futures.Future[Tally], Tally] = {}
        for plan, batch in batches:
            with signals_kept_from_children(*_SIGNALS):
                future = self._pool.submit(resample_clips, batch, plan.conversion)
            pending[future] = plan.tally
            if len(pending) == self._most_pending and not self._collect(pending):
                break
        while pending:
            self._collect(pending)

    def _collect(self, pending: dict[concurrent.futures.Future[Tally], Tally]) -> bool:
        """Whether all that is done meanwhile could be written."""
        done, _ = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            result = future.result()
            pending.pop(future).add(result)
            self._progress.advance(result.size)
        return not any(future.result().failure for future in done)


def _start() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    end_with_parent(parent.pid or 0)
