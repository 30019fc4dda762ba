"""heareval's predictions for embeddings of HEAR tasks: the same scores in less time.

`predict_tasks` is the command `hear-cacophony predict`, `predict_task` does a single task in this process.
`average_precisions` and `score_events` score single labels and clips of what they predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.predict.event_scores import score_events
    from hear_tasks.predict.run import predict_task, predict_tasks
    from hear_tasks.predict.same_run import compare_finished
    from hear_tasks.predict.scene_scores import average_precisions

__getattr__ = lazy_exports(
    __name__,
    {
        "run": (
            "predict_task",
            "predict_tasks",
        ),
        "same_run": ("compare_finished",),
        "scene_scores": ("average_precisions",),
        "event_scores": ("score_events",),
    },
)
