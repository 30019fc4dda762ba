"""What a run of predictions is asked for, and what is noted of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from hear_tasks.predict import SEEDS
from hear_tasks.predict.grids import DEFAULT_GRID_POINTS
from hear_tasks.predict.progress import Progress
from hear_tasks.predict.task import Task, TaskError, read_json
from hear_tasks.predict.trainer import StackedTrainer, Trainer
from hear_tasks.predict.work_folder import WorkFolder
from hear_tasks.task_folder import PREDICTED_FILE

PREDICTOR = "hear_cacophony"
"""In the mark of a finished task; heareval's own has no such note."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How a task is predicted.

    Attributes:
        grid: name of the grid of hyperparameters.
        grid_points: how many of it are tried.
        gpu: index of the GPU to use, None for the CPU.
        threads: of the CPU, 1 or more; sums are rounded by their number.
        seeds: one of `SEEDS`.
    """

    grid: str = "default"
    grid_points: int = DEFAULT_GRID_POINTS
    gpu: int | None = None
    threads: int = 1
    seeds: str = SEEDS[0]

    @property
    def device(self) -> torch.device:
        """The device."""
        return torch.device("cpu") if self.gpu is None else torch.device("cuda", self.gpu)

    @property
    def marks(self) -> dict[str, str]:
        """What the scores file says of how it differs from heareval's."""
        return {} if self.seeds == SEEDS[0] else {"seeds": self.seeds}

    def trainer(self, task: Task, work: WorkFolder, progress: Progress) -> Trainer:
        """What does the trainings of a task."""
        return (Trainer if self.seeds == SEEDS[0] else StackedTrainer)(task, work, progress)

    def describe_run(self, task: Task) -> dict[str, Any]:
        """What heareval notes of a run."""
        on_gpu = self.gpu is not None
        return {
            "embedding_path": str(task.folder),
            "embedding_size": task.size,
            "grid_points": self.grid_points,
            "gpus": [self.gpu] if on_gpu else None,
            "gpu_max_mem": torch.cuda.max_memory_allocated(self.device) if on_gpu else None,
            "gpu_device_name": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "in_memory": True,
            "deterministic": True,
        }

    def describe_predictor(self, task: Task) -> dict[str, Any]:
        """What is noted beside that."""
        return {"predictor": PREDICTOR, **self._asked, "threads": self.threads, "files": _stamps(task)}

    def differences(self, done: Mapping[str, Any]) -> list[str]:
        """How a finished run was asked for something else, as far as its mark tells; heareval's own tells less."""
        asked = self._asked.items()
        return [f"{name} {done[name]} (now: {value})" for name, value in asked if done.get(name, value) != value]

    @property
    def _asked(self) -> dict[str, Any]:
        return {"grid": self.grid, "grid_points": self.grid_points, "seeds": self.seeds}


def is_same_run(task: Task, options: Options) -> bool:
    """Whether a finished run was of these files, which nobody has written to since, and of these options."""
    done = read_json(task.folder / PREDICTED_FILE, dict)
    return done.get("files") == _stamps(task) and not options.differences(done)


def _stamps(task: Task) -> dict[str, list[int]]:
    """Sizes and times of the files that a split is read from."""
    names = [f"{split}.{kind}" for split in task.splits for kind in ("embeddings.npy", "target-labels.pkl")]
    states = {name: (task.folder / name).stat() for name in names if (task.folder / name).exists()}
    return {name: [state.st_size, state.st_mtime_ns] for name, state in states.items()}


def check_done(task: Task, options: Options, fingerprint: str) -> None:
    """Check that finished predictions are those that are asked for.

    Raises:
        TaskError: they are of other embeddings, or of another grid; the message says so.
    """
    done = read_json(task.folder / PREDICTED_FILE, dict)
    remedy = f"delete {PREDICTED_FILE} in it to predict the task again"
    if done.get("embeddings", fingerprint) != fingerprint:
        raise TaskError(f"{task.folder}: its scores are of an earlier run with other embeddings or labels; {remedy}")
    differences = options.differences(done)
    if differences:
        raise TaskError(f"{task.folder}: predicted already with {', '.join(differences)}; {remedy}")
