"""What the doctor finds."""

from __future__ import annotations

import dataclasses
import enum


class Severity(enum.StrEnum):
    """An error spoils or stops a run, a warning may, a note is for information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        severity: how bad it is.
        kind: name of the check; findings of one kind in one place may be shown together.
        task: name of the task directory, or of another thing that was checked, such as "environment".
        file: what is at fault, relative to the task.
        message: what was expected, and what came.
        fix: what to do about it.
    """

    severity: Severity
    kind: str
    task: str
    file: str
    message: str
    fix: str


class Findings:
    """Collects the findings of one task."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.found: list[Finding] = []

    def error(self, kind: str, file: str, message: str, fix: str) -> None:
        """Add an error."""
        self._add(Severity.ERROR, kind, file, message, fix)

    def warn(self, kind: str, file: str, message: str, fix: str) -> None:
        """Add a warning."""
        self._add(Severity.WARNING, kind, file, message, fix)

    def note(self, kind: str, file: str, message: str, fix: str) -> None:
        """Add a note."""
        self._add(Severity.NOTE, kind, file, message, fix)

    def _add(self, severity: Severity, kind: str, file: str, message: str, fix: str) -> None:
        self.found.append(Finding(severity, kind, self.task, file, message, fix))
