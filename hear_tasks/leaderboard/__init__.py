"""`hear-cacophony leaderboard`: scores of any number of models, side by side.

`read_models` reads them, `write_leaderboard` and the formats beside it write them in every form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.leaderboard.grid import GRID_POINTS
    from hear_tasks.leaderboard.models import Model, Weights, read_models
    from hear_tasks.leaderboard.plot import plot_leaderboard
    from hear_tasks.leaderboard.scores import Score, TaskProblem, read_score
    from hear_tasks.leaderboard.text import format_text
    from hear_tasks.leaderboard.write import Outputs, write_leaderboard

__all__ = [
    "GRID_POINTS",
    "Model",
    "Outputs",
    "Score",
    "TaskProblem",
    "Weights",
    "format_text",
    "plot_leaderboard",
    "read_models",
    "read_score",
    "write_leaderboard",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "GRID_POINTS": "hear_tasks.leaderboard.grid",
        "Model": "hear_tasks.leaderboard.models",
        "Outputs": "hear_tasks.leaderboard.write",
        "Score": "hear_tasks.leaderboard.scores",
        "TaskProblem": "hear_tasks.leaderboard.scores",
        "Weights": "hear_tasks.leaderboard.models",
        "format_text": "hear_tasks.leaderboard.text",
        "plot_leaderboard": "hear_tasks.leaderboard.plot",
        "read_models": "hear_tasks.leaderboard.models",
        "read_score": "hear_tasks.leaderboard.scores",
        "write_leaderboard": "hear_tasks.leaderboard.write",
    },
)
