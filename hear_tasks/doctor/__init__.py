"""`hear-cacophony doctor`: whether HEAR tasks, the machine, and a checkpoint or HEAR module are fit for a long run.

Nothing is written, and no content of a file stops a check: what is wrong becomes a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.doctor.environment import ENVIRONMENT, REQUIREMENTS
    from hear_tasks.doctor.examination import examine
    from hear_tasks.doctor.finding import Finding, Severity
    from hear_tasks.doctor.model import CHECKPOINT, MODULE, ModuleRequest
    from hear_tasks.doctor.report import Report, format_json, format_text

__all__ = [
    "CHECKPOINT",
    "ENVIRONMENT",
    "MODULE",
    "REQUIREMENTS",
    "Finding",
    "ModuleRequest",
    "Report",
    "Severity",
    "examine",
    "format_json",
    "format_text",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "CHECKPOINT": "hear_tasks.doctor.model",
        "ENVIRONMENT": "hear_tasks.doctor.environment",
        "REQUIREMENTS": "hear_tasks.doctor.environment",
        "Finding": "hear_tasks.doctor.finding",
        "MODULE": "hear_tasks.doctor.model",
        "ModuleRequest": "hear_tasks.doctor.model",
        "Report": "hear_tasks.doctor.report",
        "Severity": "hear_tasks.doctor.finding",
        "examine": "hear_tasks.doctor.examination",
        "format_json": "hear_tasks.doctor.report",
        "format_text": "hear_tasks.doctor.report",
    },
)
