"""`hear-cacophony doctor`: whether HEAR tasks, the machine, and a checkpoint or HEAR module are fit for a long run.

Nothing is written, and no content of a file stops a check: what is wrong becomes a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.doctor.environment import ENVIRONMENT, REQUIREMENTS
    from hear_tasks.doctor.examination import examine
    from hear_tasks.doctor.model import CHECKPOINT, MODULE, ModuleRequest
    from hear_tasks.doctor.report import Severity, format_text

__getattr__ = lazy_exports(
    __name__,
    {
        "environment": ("ENVIRONMENT", "REQUIREMENTS"),
        "examination": ("examine",),
        "model": ("CHECKPOINT", "MODULE", "ModuleRequest"),
        "report": ("Severity", "format_text"),
    },
)
