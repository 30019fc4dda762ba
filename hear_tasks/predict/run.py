"""Predictions of one task or of many, as Python functions."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Sequence

import torch

from hear_tasks.predict import SEEDS
from hear_tasks.predict.engine import predict_folder
from hear_tasks.predict.find_tasks import find_tasks
from hear_tasks.predict.grids import DEFAULT_GRID_POINTS, GRIDS
from hear_tasks.predict.options import Options
from hear_tasks.predict.side_by_side import Slot, predict_side_by_side


def predict_task(
    folder: str | pathlib.Path,
    *,
    grid: str = "default",
    grid_points: int = DEFAULT_GRID_POINTS,
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
    _check_choice("seeds", seeds, SEEDS)
    options = Options(grid, grid_points, gpu, _checked("threads", threads) or torch.get_num_threads(), seeds)
    return predict_folder(pathlib.Path(folder), options, tell, wait=wait)


def predict_tasks(
    folders: Sequence[str | pathlib.Path],
    *,
    grid: str = "default",
    grid_points: int = DEFAULT_GRID_POINTS,
    seeds: str = SEEDS[0],
    gpus: str | None = None,
    jobs: int | None = None,
    threads: int | None = None,
) -> dict[pathlib.Path, str]:
    """Predict several tasks, as many at once as the machine carries, and tell of it on standard error.

    Args:
        folders: EMBEDDINGS/MODULE/TASK of each, or EMBEDDINGS/MODULE for all tasks in it.
        grid: see `predict_task`.
        grid_points: see `predict_task`.
        seeds: see `predict_task`.
        gpus: indices of GPUs as JSON, as heareval takes them; "[]" for none; all that there are unless given.
        jobs: tasks at once; as many as there are cores, or GPUs, unless given.
        threads: of the CPU for each task; see `make_slots` for what they are unless given.

    Returns:
        What was wrong with each task that failed.

    Raises:
        ValueError: an argument is not possible.
    """
    _check_choice("grid", grid, GRIDS)
    _check_choice("seeds", seeds, SEEDS)
    options = Options(grid, _checked("grid-points", grid_points) or DEFAULT_GRID_POINTS, seeds=seeds)
    paths = find_tasks(map(pathlib.Path, folders))
    slots = make_slots(len(paths), _read_gpus(gpus), _checked("jobs", jobs), _checked("threads", threads))
    return predict_side_by_side(paths, options, slots)


def make_slots(tasks: int, gpus: Sequence[int], jobs: int | None, threads: int | None) -> list[Slot]:
    """Where tasks are predicted side by side.

    A single one has the threads that heareval would have, torch's own, so that even the last digits of its losses are
    the same. Several get an equal share of the cores: a second thread shortens a training by less than a second task
    does, and not at all where batches are small. OMP_NUM_THREADS counts before that, as it does for heareval.
    """
    cores = len(os.sched_getaffinity(0))
    wished = threads or (torch.get_num_threads() if os.environ.get("OMP_NUM_THREADS") else None)
    count = min(tasks, jobs or len(gpus) or max(1, cores // (wished or 1)))
    share = wished or (torch.get_num_threads() if count == 1 else max(1, cores // count))
    return [Slot(gpus[number % len(gpus)] if gpus else None, share) for number in range(count)]


def _checked(name: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ValueError(f"--{name}: expected 1 or more, got {value}")
    return value


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise ValueError(f"--{name}: expected one of {', '.join(choices)}, got {value!r}")


def _read_gpus(text: str | None) -> list[int]:
    available = list(range(torch.cuda.device_count()))
    if text is None:
        return available
    try:
        gpus = json.loads(text) or []
    except ValueError:
        gpus = None
    if not isinstance(gpus, list) or not all(type(gpu) is int for gpu in gpus):
        raise ValueError(f'--gpus: expected a list of indices such as "[0]", got {text!r}')
    missing = [gpu for gpu in gpus if gpu not in available]
    if missing:
        raise ValueError(f"--gpus: {missing}: torch sees {len(available)} GPUs")
    return gpus
