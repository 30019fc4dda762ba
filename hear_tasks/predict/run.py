"""Predictions of one task, or of many side by side, each in a process of its own, the largest first."""

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
from typing import cast

import torch

from hear_cacophony.files.full_disk import describe_full, is_full
from hear_cacophony.files.json_file import parse_json
from hear_cacophony.files.lock import BusyError
from hear_cacophony.printable import on_one_line
from hear_tasks.grids import GRID_POINTS, SEEDS
from hear_tasks.predict import fork_server
from hear_tasks.predict.engine import Options, checked_count, predict_folder
from hear_tasks.task_folder import find_embedded

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def predict_task(
    folder: str | pathlib.Path,
    *,
    grid: str = "default",
    grid_points: int = GRID_POINTS,
    seeds: str = SEEDS[0],
    gpu: int | None = None,
    threads: int | None = None,
    wait: bool = False,
    tell: Callable[[str], None] = lambda message: print(message, file=sys.stderr, flush=True),
) -> bool:
    """Train and score predictors on the embeddings of one task, in this process.

    On the same machine and device, and with the same number of threads, the scores are those of heareval 2021.1.3.

    Args:
        folder: EMBEDDINGS/MODULE/TASK, which the results are written to, as heareval writes them.
        grid: of hyperparameters: "default", "fast" or "faster".
        grid_points: how many points of it are tried, 1 or more; the official leaderboard has 8.
        seeds: "heareval", or "independent": a seed for each training, which then share their computations; such scores
            are marked, and not those of heareval.
        gpu: index of the GPU to use, None for the CPU.
        threads: of the CPU; torch's own number unless given.
        wait: whether to wait where another process predicts the task.
        tell: takes remarks and the progress.

    Returns:
        Whether there was anything left to do.

    Raises:
        ValueError: an argument is not possible, the embeddings are at fault, or finished predictions are others than
            those asked for; the message says what to do.
        hear_cacophony.files.lock.BusyError: another process predicts the task.
    """
    options = Options(grid, grid_points, gpu, torch.get_num_threads() if threads is None else threads, seeds)
    return predict_folder(pathlib.Path(folder), options, tell, wait=wait)


def predict_tasks(
    folders: Sequence[str | pathlib.Path],
    *,
    grid: str = "default",
    grid_points: int = GRID_POINTS,
    seeds: str = SEEDS[0],
    gpus: str | None = None,
    jobs: int | None = None,
    threads: int | None = None,
) -> dict[pathlib.Path, str]:
    """Predict several tasks, as many at once as the machine carries, and tell of it on standard error.

    Args:
        folders: EMBEDDINGS/MODULE/TASK of each, or EMBEDDINGS/MODULE for all tasks in it.
        grid, grid_points, seeds: see `predict_task`.
        gpus: indices of GPUs as JSON, as heareval takes them; "[]" for none; all that there are unless given.
        jobs: tasks at once; as many as there are cores, or GPUs, unless given.
        threads: of the CPU for each task; see `make_slots` for what they are unless given.

    Returns:
        What was wrong with each task that failed.

    Raises:
        ValueError: an argument is not possible.
    """
    options = Options(grid, grid_points, seeds=seeds)
    paths = find_embedded(map(pathlib.Path, folders))
    slots = make_slots(
        options, len(paths), _read_gpus(gpus), checked_count("jobs", jobs), checked_count("threads", threads)
    )
    largest_first = sorted(paths, key=_bytes, reverse=True)
    if len(slots) == 1:
        outcomes = {folder: _try_task(folder, slots[0]) for folder in largest_first}
    else:
        outcomes = _Processes(slots).run(largest_first)
    return {folder: error for folder, error in outcomes.items() if error}


def make_slots(
    options: Options, tasks: int, gpus: Sequence[int], jobs: int | None, threads: int | None
) -> list[Options]:
    """Where tasks are predicted side by side: the options with a GPU and threads for each that is predicted at a time.

    A single one has the threads that heareval would have, torch's own, so that even the last digits of its losses are
    the same. Several get an equal share of the cores: a second thread shortens a training by less than a second task
    does, and not at all where batches are small. OMP_NUM_THREADS counts before that, as it does for heareval.
    """
    cores = len(os.sched_getaffinity(0))
    wished = threads or (torch.get_num_threads() if os.environ.get("OMP_NUM_THREADS") else None)
    count = min(tasks, jobs or len(gpus) or max(1, cores // (wished or 1)))
    share = wished or (torch.get_num_threads() if count == 1 else max(1, cores // count))
    places = [gpus[number % len(gpus)] if gpus else None for number in range(count)]
    return [dataclasses.replace(options, gpu=gpu, threads=share) for gpu in places]


def _read_gpus(text: str | None) -> list[int]:
    available = list(range(torch.cuda.device_count()))
    if text is None:
        return available
    try:
        gpus = parse_json(text)
    except ValueError:
        gpus = None
    if not isinstance(gpus, list) or not all(type(gpu) is int for gpu in gpus):
        raise ValueError(f'--gpus: expected a list of indices such as "[0]", or "[]" for the CPU, got {text!r}')
    missing = [gpu for gpu in gpus if gpu not in available]
    if missing:
        raise ValueError(f"--gpus: {missing}: torch sees {len(available)} GPUs")
    return gpus


def _bytes(folder: pathlib.Path) -> int:
    """Bytes of the embeddings, by which the work is measured."""
    return sum(file.stat().st_size for file in folder.glob("*.embeddings.npy"))


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
    name = on_one_line("/".join(pathlib.Path(os.path.abspath(folder)).parts[-2:]))

    def tell(message: str) -> None:
        sys.stderr.write(f"predict: {name}: {message}\n")
        sys.stderr.flush()

    return tell


@dataclasses.dataclass(frozen=True)
class _Running:
    """A process that predicts a task."""

    process: multiprocessing.process.BaseProcess
    folder: pathlib.Path
    slot: Options


class _Processes:
    """Runs tasks in processes, one in each slot at a time."""

    def __init__(self, slots: Sequence[Options]) -> None:
        self._free = list(slots)
        self._running: dict[Connection, _Running] = {}
        self._held_by_tasks, self._lifeline = fork_server.PROCESSES.Pipe(duplex=False)

    def run(self, folders: Sequence[pathlib.Path]) -> dict[pathlib.Path, str]:
        """The outcomes of tasks, begun in this order."""
        waiting = collections.deque(folders)
        outcomes: dict[pathlib.Path, str] = {}
        fork_server.start()
        try:
            while waiting or self._running:
                while waiting and self._free:
                    self._start(waiting.popleft(), self._free.pop(0))
                for ours in multiprocessing.connection.wait(list(self._running)):
                    outcomes |= self._finish(cast(Connection, ours))
        finally:
            self._end()
        return outcomes

    def _start(self, folder: pathlib.Path, slot: Options) -> None:
        ours, theirs = fork_server.PROCESSES.Pipe(duplex=False)
        process = fork_server.PROCESSES.Process(target=_work, args=(theirs, self._held_by_tasks, folder, slot))
        try:
            with fork_server.signals_held_back():
                self._running[ours] = _Running(process, folder, slot)
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
