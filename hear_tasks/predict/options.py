"""How a task is predicted."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from hear_tasks.predict import SEEDS
from hear_tasks.predict.grids import DEFAULT_GRID_POINTS
from hear_tasks.predict.task import Task


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
