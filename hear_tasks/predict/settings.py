"""What a run of predictions is asked for, and what it depends on."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hear_tasks.predict.grids import DEFAULT_GRID_POINTS, Configuration
from hear_tasks.predict.results import DONE_FILE
from hear_tasks.predict.task import Task, TaskError, read_dimensions, read_json


@dataclasses.dataclass(frozen=True)
class Settings:
    """How tasks are predicted.

    Attributes:
        grid: name of the grid of hyperparameters.
        grid_points: how many of it are tried.
        gpu: index of the GPU to use, None for the CPU.
        threads: of the CPU; 0 for as many as suit the work.
    """

    grid: str = "default"
    grid_points: int = DEFAULT_GRID_POINTS
    gpu: int | None = None
    threads: int = 0

    @property
    def device(self) -> torch.device:
        """The device."""
        return torch.device("cpu") if self.gpu is None else torch.device("cuda", self.gpu)

    @property
    def marks(self) -> dict[str, str]:
        """What the scores file says of how it differs from heareval's."""
        return {}

    def describe_run(self, task: Task, seconds: float) -> dict[str, Any]:
        """What heareval notes of a finished run."""
        on_gpu = self.gpu is not None
        return {
            "time": seconds,
            "embedding_path": str(task.folder),
            "embedding_size": task.size,
            "grid_points": self.grid_points,
            "gpus": [self.gpu] if on_gpu else None,
            "gpu_max_mem": torch.cuda.max_memory_allocated(self.device) if on_gpu else None,
            "gpu_device_name": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "in_memory": True,
            "deterministic": True,
        }

    def describe_predictor(self, threads: int) -> dict[str, Any]:
        """What is noted beside that."""
        return {"predictor": "hear_cacophony", "grid": self.grid, "threads": threads}


def check_done(folder: pathlib.Path, settings: Settings) -> None:
    """Raise TaskError where finished predictions are not those that are asked for."""


def threads_for(task: Task, points: Sequence[Configuration], settings: Settings) -> int:
    """Threads that suit the work."""
    return settings.threads or torch.get_num_threads()
