"""`hear-cacophony leaderboard`: scores of any number of models, side by side.

`read_models` reads them, `write_leaderboard` and the formats beside it write them in every form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.leaderboard.formats import Text, format_leaderboard
    from hear_tasks.leaderboard.models import Model, Weights, read_models
    from hear_tasks.leaderboard.plot import plot_leaderboard
    from hear_tasks.leaderboard.scores import Score, TaskProblem, read_score
    from hear_tasks.leaderboard.write import Outputs, write_leaderboard

__getattr__ = lazy_exports(
    __name__,
    {
        "models": ("Model", "Weights", "read_models"),
        "plot": ("plot_leaderboard",),
        "scores": ("Score", "TaskProblem", "read_score"),
        "formats": ("Text", "format_leaderboard"),
        "write": ("Outputs", "write_leaderboard"),
    },
)
