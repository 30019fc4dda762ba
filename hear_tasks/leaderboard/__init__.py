"""`hear-cacophony leaderboard`: scores of any number of models, side by side.

`read_models` reads them, `write_leaderboard` and the formats beside it write them in every form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.leaderboard.formats import Text, format_leaderboard
    from hear_tasks.leaderboard.grid import find_run, plain_hyperparameter, read_runs
    from hear_tasks.leaderboard.models import Model, Weights, read_models
    from hear_tasks.leaderboard.plot import COLOURS, MAX_MODELS, plot_leaderboard
    from hear_tasks.leaderboard.published import PublishedRow, published_rows
    from hear_tasks.leaderboard.scores import Score, TaskProblem, read_score
    from hear_tasks.leaderboard.table import (
        Row,
        format_cell,
        incomplete_columns,
        leaderboard_rows,
        readable_metric,
        remarks,
        reservation_marks,
        tasks_not_run,
    )
    from hear_tasks.leaderboard.write import Outputs, write_leaderboard

__getattr__ = lazy_exports(
    __name__,
    {
        "models": (
            "Model",
            "Weights",
            "read_models",
        ),
        "grid": (
            "find_run",
            "plain_hyperparameter",
            "read_runs",
        ),
        "plot": (
            "COLOURS",
            "MAX_MODELS",
            "plot_leaderboard",
        ),
        "published": ("PublishedRow", "published_rows"),
        "scores": (
            "Score",
            "TaskProblem",
            "read_score",
        ),
        "table": (
            "Row",
            "format_cell",
            "incomplete_columns",
            "leaderboard_rows",
            "readable_metric",
            "remarks",
            "reservation_marks",
            "tasks_not_run",
        ),
        "formats": (
            "Text",
            "format_leaderboard",
        ),
        "write": (
            "Outputs",
            "write_leaderboard",
        ),
    },
)
