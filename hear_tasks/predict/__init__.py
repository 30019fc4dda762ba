"""heareval's predictions for embeddings of HEAR tasks: the same scores in less time.

`predict_tasks` is the command `hear-cacophony predict`, `predict_task` does a single task in this process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.predict.run import predict_task, predict_tasks
    from hear_tasks.predict.same_run import compare_finished

__getattr__ = lazy_exports(__name__, {"run": ("predict_task", "predict_tasks"), "same_run": ("compare_finished",)})
