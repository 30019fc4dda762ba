"""heareval's predictions for embeddings of HEAR tasks: the same scores in less time.

`predict_tasks` is the command `hear-cacophony predict`, `predict_task` does a single task in this process.
"""

from __future__ import annotations

import importlib
from typing import Any

SEEDS = ("heareval", "independent")
"""One sequence of random numbers for all trainings of a task, as in heareval; or one for each.

The official leaderboard takes the first.
"""

_LAZY = ("predict_task", "predict_tasks")
__all__ = ["SEEDS", "predict_task", "predict_tasks"]


def __getattr__(name: str) -> Any:
    # torch is loaded only where something is predicted.
    if name in _LAZY:
        return getattr(importlib.import_module("hear_tasks.predict.run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
