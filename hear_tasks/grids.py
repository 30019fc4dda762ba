"""What heareval 2021.1.3 searches for each task: its grids of hyperparameters, and the seeds of the trainings."""

from __future__ import annotations

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
