"""Several tasks at once, each in a process of its own, the largest first."""

from __future__ import annotations

import collections
import dataclasses
import errno
import multiprocessing.connection
import multiprocessing.process
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from hear_cacophony.files.full_disk import describe_full, is_full
from hear_cacophony.files.lock import BusyError
from hear_tasks.predict import fork_server
from hear_tasks.predict.engine import predict_folder
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


@dataclasses.dataclass(frozen=True)
class _Running:
    """A process that predicts a task."""

    process: multiprocessing.process.BaseProcess
    folder: pathlib.Path
    slot: Slot


class _Processes:
    """Runs tasks in processes, one in each slot at a time."""

    def __init__(self, options: Options, slots: Sequence[Slot]) -> None:
        self._options, self._free = options, list(slots)
        self._running: dict[Connection, _Running] = {}
        self._held_by_tasks, self._lifeline = fork_server.PROCESSES.Pipe(duplex=False)

    def run(self, folders: Sequence[pathlib.Path]) -> dict[pathlib.Path, str]:
        """The outcomes of tasks, begun in this order."""
        waiting, outcomes = collections.deque(folders), {}
        try:
            while waiting or self._running:
                while waiting and self._free:
                    self._start(waiting.popleft(), self._free.pop(0))
                for ours in multiprocessing.connection.wait(list(self._running)):
                    outcomes |= self._finish(ours)
        finally:
            self._end()
        return outcomes

    def _start(self, folder: pathlib.Path, slot: Slot) -> None:
        ours, theirs = fork_server.PROCESSES.Pipe(duplex=False)
        settings = _in_slot(self._options, slot)
        process = fork_server.PROCESSES.Process(target=_work, args=(theirs, self._held_by_tasks, folder, settings))
        self._running[ours] = _Running(process, folder, slot)  # before it starts, which may be interrupted
        try:
            process.start()
        except EOFError:
            raise ChildProcessError(
                "the process that loads torch for those of the tasks has ended; was it killed for want of memory?"
            ) from None
        finally:
            theirs.close()

    def _finish(self, ours: Connection) -> dict[pathlib.Path, str]:
        """What has come of the task at the other end of a connection."""
        running = self._running[ours]
        try:
            outcome = ours.recv()
            running.process.join()
        except EOFError:
            running.process.join()
            outcome = f"its process ended with status {running.process.exitcode}; was it killed for want of memory?"
            _teller(running.folder)(f"FAILED: {outcome}")
        ours.close()
        del self._running[ours]
        self._free.append(running.slot)
        return {running.folder: outcome}

    def _end(self) -> None:
        """End the processes that are still running; those that are just being started end at the lifeline."""
        self._lifeline.close()
        started = [each.process for each in self._running.values() if each.process.pid is not None]
        for process in started:
            process.terminate()
        for process in started:
            process.join()


def _work(outcome: Connection, lifeline: Connection, folder: pathlib.Path, options: Options) -> None:
    """Predict a task in this process, which ends when the other end of the lifeline is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the others
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    outcome.send(_try_task(folder, options))


def _end_with(lifeline: Connection) -> None:
    multiprocessing.connection.wait([lifeline])
    os._exit(1)
