"""The process that those of tasks are forked from: it loads torch once for all of them; and what must not break off."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import signal
import threading
from collections.abc import Iterator

from hear_tasks.child_process import signals_kept_from_children

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["hear_tasks.predict.preload"])


def start() -> None:
    """Start it now, so that it loads torch while this process does; otherwise the first task starts it.

    Ctrl-C, which reaches it as well, is not for it: it ends with this process.
    """
    multiprocessing.resource_tracker.ensure_running()  # which would unblock the signal
    with signals_kept_from_children(signal.SIGINT):
        multiprocessing.forkserver.ensure_running()


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """A time in which signals raise nothing in this thread; what came in it is raised at its end.

    For what must not be left half done: torch loses exceptions while it is loaded, and the server of processes
    complains of a request that breaks off. Other threads than the main one hear of no signal as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    listened = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in listened}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])
