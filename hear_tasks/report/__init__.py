"""`hear-cacophony report`: pages that show and play why the scores of predictions are what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.report.run import Settings, write_report

__getattr__ = lazy_exports(__name__, {"run": ("Settings", "write_report")})
