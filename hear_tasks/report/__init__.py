"""`hear-cacophony report`: pages that show and play why scores are what they are.

`write_report` makes them of HEAR predictions, `write_evaluations` of evaluations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.report.evaluations import write_evaluations
    from hear_tasks.report.run import write_report
    from hear_tasks.report.settings import Settings

__getattr__ = lazy_exports(
    __name__,
    {"evaluations": ("write_evaluations",), "run": ("write_report",), "settings": ("Settings",)},
)
