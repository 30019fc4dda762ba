"""`hear-cacophony embed`: HEAR tasks embedded into the files that predictions read, safe to kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.embed.engine import IN_WORK
    from hear_tasks.embed.hear_module import HearModule, claim_folder, load_module
    from hear_tasks.embed.own_model import OwnModel
    from hear_tasks.embed.plan import Plan, make_plan
    from hear_tasks.embed.record import compare_with_task, describe_lost, lost_files
    from hear_tasks.embed.run import embed_tasks
    from hear_tasks.embed.task import read_task
    from hear_tasks.embed.work_folder import is_busy, is_done

__all__ = [
    "IN_WORK",
    "HearModule",
    "OwnModel",
    "Plan",
    "claim_folder",
    "compare_with_task",
    "describe_lost",
    "embed_tasks",
    "is_busy",
    "is_done",
    "load_module",
    "lost_files",
    "make_plan",
    "read_task",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "IN_WORK": "hear_tasks.embed.engine",
        "HearModule": "hear_tasks.embed.hear_module",
        "Plan": "hear_tasks.embed.plan",
        "make_plan": "hear_tasks.embed.plan",
        "read_task": "hear_tasks.embed.task",
        "claim_folder": "hear_tasks.embed.hear_module",
        "OwnModel": "hear_tasks.embed.own_model",
        "load_module": "hear_tasks.embed.hear_module",
        "compare_with_task": "hear_tasks.embed.record",
        "describe_lost": "hear_tasks.embed.record",
        "lost_files": "hear_tasks.embed.record",
        "embed_tasks": "hear_tasks.embed.run",
        "is_busy": "hear_tasks.embed.work_folder",
        "is_done": "hear_tasks.embed.work_folder",
    },
)
