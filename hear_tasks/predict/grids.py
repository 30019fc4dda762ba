"""The points that heareval 2021.1.3 takes of its grids of hyperparameters."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hear_tasks.grids import GRIDS, Grid, fault_of_values

Configuration = dict[str, Any]
"""One point of a grid: the value of each hyperparameter, sorted by name."""

SEED = 42
"""heareval's, for the choice of points and for everything that is drawn in training."""

_OF_TORCH = {
    "BatchNorm1d": torch.nn.BatchNorm1d,
    "Identity": torch.nn.Identity,
    "xavier_uniform_": torch.nn.init.xavier_uniform_,
    "xavier_normal_": torch.nn.init.xavier_normal_,
    "Adam": torch.optim.Adam,
}
"""What the names in the grids stand for."""

_BY_TASK: Mapping[str, Mapping[str, Sequence[Any]]] = {"dcase2016_task2": {"check_val_every_n_epoch": (10,)}}
"""heareval's own exceptions, by `task_name`."""


def choose_points(grid: str, count: int, metadata: Mapping[str, Any]) -> list[Configuration]:
    """The points that heareval tries, in its order: the first ones of the grid shuffled with its seed.

    The metadata of the task may change the grid.

    Raises:
        ValueError: the metadata is at fault.
    """
    values = {**_usable(GRIDS[grid]), **_BY_TASK.get(metadata["task_name"], {}), **_changes(metadata)}
    names = sorted(values)
    points = [dict(zip(names, each, strict=True)) for each in itertools.product(*(values[name] for name in names))]
    random.Random(SEED).shuffle(points)
    return points[:count]


def _usable(grid: Grid) -> dict[str, Sequence[Any]]:
    return {name: [_OF_TORCH.get(value, value) for value in values] for name, values in grid.items()}


def _changes(metadata: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What the task's metadata changes."""
    changes = (metadata.get("evaluation_params") or {}).get("task_specific_param_grid", {})
    if not isinstance(changes, dict):
        raise ValueError(f"expected lists of values by hyperparameter as task_specific_param_grid, got {changes!r}")
    for name, values in changes.items():
        if fault := fault_of_values(name, values):
            raise ValueError(fault)
    return changes


def to_json(configuration: Configuration) -> dict[str, Any]:
    """As heareval writes it: what is no text or number becomes text."""
    return {name: v if isinstance(v, str | float | int) else str(v) for name, v in configuration.items()}


def identify(configuration: Configuration) -> str:
    """A text that is the same in every process for the same configuration."""
    plain = {name: getattr(value, "__name__", value) for name, value in configuration.items()}
    return json.dumps(plain, sort_keys=True)
