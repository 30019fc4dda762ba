"""`hear-cacophony embed`: HEAR tasks embedded into the files that predictions read, safe to kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.embed.engine import IN_WORK
    from hear_tasks.embed.hear_module import HearModule, claim_folder, load_module
    from hear_tasks.embed.model import Plan, make_plan
    from hear_tasks.embed.own_model import OwnModel
    from hear_tasks.embed.record import compare_with_task, describe_lost, lost_files, read_shape
    from hear_tasks.embed.run import embed_tasks
    from hear_tasks.embed.task import Split, read_splits, read_task
    from hear_tasks.embed.work_folder import is_busy, is_done

__getattr__ = lazy_exports(
    __name__,
    {
        "engine": ("IN_WORK",),
        "hear_module": ("HearModule", "claim_folder", "load_module"),
        "model": ("Plan", "make_plan"),
        "own_model": ("OwnModel",),
        "record": ("compare_with_task", "describe_lost", "lost_files", "read_shape"),
        "run": ("embed_tasks",),
        "task": ("Split", "read_splits", "read_task"),
        "work_folder": ("is_busy", "is_done"),
    },
)
