"""The process that those of tasks are forked from: it loads torch once for all of them."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import signal

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["hear_tasks.predict.preload"])


def start() -> None:
    """Start it now, so that it loads torch while this process does; otherwise the first task starts it.

    Ctrl-C, which reaches it as well, is not for it: it ends with this process.
    """
    multiprocessing.resource_tracker.ensure_running()  # which would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        multiprocessing.forkserver.ensure_running()  # a new process blocks what this one does
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
