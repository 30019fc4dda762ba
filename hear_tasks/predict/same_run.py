"""How a task is predicted, and all else that its scores depend on: noted with trainings and results, and compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from hear_cacophony.files.file_identity import content_digest
from hear_tasks.predict import SEEDS
from hear_tasks.predict.grids import DEFAULT_GRID_POINTS
from hear_tasks.predict.task import Task, TaskError, read_json
from hear_tasks.task_folder import METADATA_FILE, PREDICTED_FILE, VOCABULARY_FILE


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


_ENGINE = "hear_cacophony 1"
"""Who has predicted, with another number whenever the same run gets other scores than before."""

_OF_SPLIT = (
    "embeddings.npy",
    "embedding-dimensions.json",
    "target-labels.pkl",
    "filename-timestamps.json",
    "json",
)
_ROUNDING = ("threads", "device", "torch")
"""With others, finished scores are as good; trainings of one task are not mixed."""


def identify_run(task: Task, options: Options) -> dict[str, Any]:
    """All that the scores depend on, for JSON; files by the digest of their content."""
    return {
        "engine": _ENGINE,
        "grid": options.grid,
        "grid_points": options.grid_points,
        "seeds": options.seeds,
        "threads": options.threads,
        "device": str(options.device),
        "torch": torch.__version__,
        "inputs": _digests(task),
    }


def _digests(task: Task) -> dict[str, str]:
    names = [METADATA_FILE, VOCABULARY_FILE, *(f"{split}.{kind}" for split in task.splits for kind in _OF_SPLIT)]
    return {name: content_digest(task.folder / name) for name in names if (task.folder / name).exists()}


def list_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How an earlier run differs from one that is asked for now, in what is given of that."""
    told = []
    for name, value in now.items():
        if name == "inputs":
            told += _list_changes(earlier.get(name, {}), value)
        elif earlier.get(name) != value:
            told.append(f"{name} {earlier.get(name)} (now: {value})")
    return told


def _list_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    changed = [f"another {name}" for name in after if name in before and after[name] != before[name]]
    gone = [f"{name}, which is gone" for name in before if name not in after]
    return changed + gone + [f"no {name}" for name in after if name not in before]


def check_done(task: Task, run: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    """Check that a finished run is the one that is asked for; the mark of another program tells of less.

    Raises:
        TaskError: it is another one; the message says how.
    """
    again = f"delete {PREDICTED_FILE} in it to predict the task again"
    done = read_json(task.folder / PREDICTED_FILE, dict, again)
    deciding = {name: value for name, value in run.items() if name in done and name not in _ROUNDING}
    differences = ", ".join(list_differences(done, deciding))
    if differences:
        raise TaskError(
            f"{task.folder}: predicted already with {differences}; nothing was done: bring that back (what is lost: "
            f"embed the task again), or {again}"
        )
    rounding = list_differences(done, {name: run[name] for name in _ROUNDING if name in done})
    if rounding:
        tell(f"predicted already with {', '.join(rounding)}; kept")
    if "inputs" not in done:
        tell(f"{PREDICTED_FILE} does not tell of which files; kept")


def check_unchanged(task: Task, run: Mapping[str, Any]) -> None:
    """Raise TaskError where a file has changed since a run began."""
    differences = list_differences(run, {"inputs": _digests(task)})
    if differences:
        raise TaskError(
            f"{task.folder}: changed while it was predicted, which began with {', '.join(differences)}; nothing was "
            "written: run the same command again, which does all anew"
        )
