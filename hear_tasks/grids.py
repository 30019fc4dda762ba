"""What heareval 2021.1.3 searches for each task: its grids of hyperparameters, and the seeds of the trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Grid = Mapping[str, tuple[Any, ...]]
"""The values that each hyperparameter may have; classes and functions of torch by their bare names."""

GRID_POINTS = 8
"""Random points of the default grid that the official leaderboard takes."""

DEFAULT_GRID: Grid = {
    "hidden_layers": (1, 2),
    "hidden_dim": (1024,),
    "dropout": (0.1,),
    "lr": (3.2e-3, 1e-3, 3.2e-4, 1e-4),
    "patience": (20,),
    "max_epochs": (500,),
    "check_val_every_n_epoch": (3,),
    "batch_size": (1024,),
    "hidden_norm": ("BatchNorm1d",),
    "norm_after_activation": (False,),
    "embedding_norm": ("Identity",),
    "initialization": ("xavier_uniform_", "xavier_normal_"),
    "optim": ("Adam",),
}
_BOUNDS = {
    **dict.fromkeys(("hidden_layers", "lr", "patience"), (0, math.inf)),
    **dict.fromkeys(("hidden_dim", "max_epochs", "check_val_every_n_epoch", "batch_size"), (1, math.inf)),
    "dropout": (0, 1),
}
"""What values a task may give."""

GRIDS: Mapping[str, Grid] = {
    "default": DEFAULT_GRID,
    "fast": {**DEFAULT_GRID, "max_epochs": (10, 50), "check_val_every_n_epoch": (3, 10)},
    "faster": {
        **DEFAULT_GRID,
        "hidden_layers": (0, 1),
        "hidden_dim": (64, 128),
        "patience": (1, 3),
        "max_epochs": (10,),
        "check_val_every_n_epoch": (1,),
    },
}
"""By the name that heareval gives them; the official leaderboard takes the first."""

SEEDS = ("heareval", "independent")
"""One sequence of random numbers for all trainings of a task, as in heareval; or one for each.

The official leaderboard takes the first.
"""


def fault_of_values(name: str, values: object) -> str:
    """What is wrong with what a task's `task_specific_param_grid` gives a hyperparameter, "" if nothing is."""
    told = f"{name} in task_specific_param_grid, got {values!r}"
    if not isinstance(values, list) or not values:
        return f"expected a list of values for {told}"
    known = DEFAULT_GRID.get(name, ())
    kinds = {type(value) for value in known}
    if str in kinds:
        return f"expected no values, as heareval takes classes and functions of torch there, for {told}"
    if float in kinds:
        kinds.add(int)
    if kinds and not all(type(value) in kinds for value in values):
        return f"expected values like {known} for {told}"
    least, most = _BOUNDS.get(name, (None, None))
    if least is not None and most is not None and not all(least <= value <= most for value in values):
        return f"expected {least} to {most} for {told}"
    return ""
