"""Several tasks at once, each in a process of its own, the largest first."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import errno
import multiprocessing.connection
import multiprocessing.process
import os
import pathlib
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from hear_cacophony.files.full_disk import describe_full, is_full
from hear_cacophony.files.lock import BusyError
from hear_tasks.predict.engine import predict_folder
from hear_tasks.predict.fork_server import PROCESSES
from hear_tasks.predict.options import Options

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclasses.dataclass(frozen=True)
class Slot:
    """Where one task at a time is predicted.

    Attributes:
        gpu: index of its GPU, None for the CPU.
        threads: of the CPU.
    """

    gpu: int | None
    threads: int


def predict_side_by_side(
    folders: Sequence[pathlib.Path], options: Options, slots: Sequence[Slot]
) -> dict[pathlib.Path, str]:
    """Predict tasks, one in each slot at a time.

    Args:
        folders: of the tasks' embeddings.
        options: how; device and threads are those of the slots.
        slots: one or more.

    Returns:
        What was wrong with each task that failed.
    """
    ordered = sorted(folders, key=_bytes, reverse=True)
    if len(slots) == 1 or len(folders) == 1:
        outcomes = {folder: _try_task(folder, _in_slot(options, slots[0])) for folder in ordered}
    else:
        outcomes = _Processes(options, slots).run(ordered)
    return {folder: error for folder, error in outcomes.items() if error}


def _bytes(folder: pathlib.Path) -> int:
    """Bytes of the embeddings, by which the work is measured."""
    return sum(file.stat().st_size for file in folder.glob("*.embeddings.npy"))


def _in_slot(options: Options, slot: Slot) -> Options:
    return dataclasses.replace(options, gpu=slot.gpu, threads=slot.threads)


def _try_task(folder: pathlib.Path, options: Options) -> str:
    """Predict a task and say so; what was wrong, "" if nothing was."""
    tell = _teller(folder)
    try:
        try:
            did = predict_folder(folder, options, tell)
        except BusyError:
            tell("another process is predicting it; waiting for that")
            did = predict_folder(folder, options, tell, wait=True)
    except (ValueError, OSError) as error:
        told = _describe(error, folder)
        tell(f"FAILED: {told}")
        return told
    tell("done" if did else "was done already")
    return ""


def _describe(error: Exception, folder: pathlib.Path) -> str:
    """What is wrong, and what to do where the results could not be written."""
    if isinstance(error, OSError) and is_full(error):
        return f"{folder}: {describe_full(error, folder)} and run the same command again"
    if isinstance(error, OSError) and error.errno in _READ_ONLY:
        return f"{error}; results go beside the embeddings: give yourself leave to write there, or copy them elsewhere"
    return str(error)


def _teller(folder: pathlib.Path) -> Callable[[str], None]:
    """Prints lines about a task on standard error, each in one piece, as several processes print there."""
    name = f"{folder.parent.name}/{folder.name}"

    def tell(message: str) -> None:
        sys.stderr.write(f"predict: {name}: {message}\n")
        sys.stderr.flush()

    return tell


class _Processes:
    """Runs tasks in processes, one in each slot at a time."""

    def __init__(self, options: Options, slots: Sequence[Slot]) -> None:
        self._options = options
        self._slots: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in slots:
            self._slots.put(slot)
        self._count = len(slots)
        self._ending = False
        self._running: set[multiprocessing.process.BaseProcess] = set()

    def run(self, folders: Sequence[pathlib.Path]) -> dict[pathlib.Path, str]:
        """The outcomes of tasks, begun in this order."""
        with concurrent.futures.ThreadPoolExecutor(self._count) as threads:
            try:
                return dict(zip(folders, threads.map(self._run_task, folders), strict=True))
            except BaseException:
                self._ending = True
                threads.shutdown(wait=False, cancel_futures=True)
                for process in list(self._running):
                    process.terminate()
                raise

    def _run_task(self, folder: pathlib.Path) -> str:
        slot = self._slots.get()
        ours, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_work, args=(theirs, folder, _in_slot(self._options, slot)))
        process.start()
        self._running.add(process)
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            process.join()
            error = f"its process ended with status {process.exitcode}; was it killed for want of memory?"
            if not self._ending:
                _teller(folder)(f"FAILED: {error}")
            return error
        finally:
            process.join()
            self._running.remove(process)
            self._slots.put(slot)


def _work(outcome: multiprocessing.connection.Connection, folder: pathlib.Path, options: Options) -> None:
    """Predict a task in this process, which ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the others
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    outcome.send(_try_task(folder, options))


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
