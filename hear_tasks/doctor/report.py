"""What the doctor finds, and its report as lines for people or as JSON."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from hear_cacophony.printable import on_one_line

if TYPE_CHECKING:
    from hear_tasks.doctor.environment import Environment
    from hear_tasks.doctor.model import CheckpointReport
    from hear_tasks.doctor.resources import Resources
    from hear_tasks.doctor.tasks import TaskReport

SHOWN = 5
"""Findings of one kind in one folder or file that are shown; the others are counted. JSON holds them all."""


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


@dataclasses.dataclass(frozen=True)
class Report:
    """All that the doctor found; no environment where what was to be checked is not there."""

    environment: Environment | None
    tasks: tuple[TaskReport, ...]
    resources: Resources | None
    checkpoint: CheckpointReport | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


def format_json(report: Report) -> str:
    """One JSON object with every finding."""
    content = {
        "ok": report.ok,
        "findings": [dataclasses.asdict(finding) for finding in report.findings],
        "tasks": [_task_as_json(task) for task in report.tasks],
        "environment": dataclasses.asdict(report.environment) if report.environment else None,
        "resources": dataclasses.asdict(report.resources) if report.resources else None,
        "checkpoint": dataclasses.asdict(report.checkpoint) if report.checkpoint else None,
    }
    return json.dumps(content, indent=1)


def _task_as_json(task: TaskReport) -> dict[str, object]:
    return {
        "name": task.folder.name,
        "folder": str(task.folder),
        "clips": task.clips,
        "seconds": round(task.seconds, 3),
        "clips_read": task.read,
        "all_samples_read": task.whole,
        "findings": len(task.findings),
    }


def format_text(report: Report) -> str:
    """Environment, needs, findings and the result, a line each."""
    lines = [*_describe_environment(report.environment)] if report.environment else []
    if report.checkpoint:
        lines.append(_describe_checkpoint(report.checkpoint))
    if report.resources:
        lines.append(_describe_resources(report.resources))
    lines += _describe_findings(report.findings)
    lines.append(_describe_result(report))
    return "\n".join(map(on_one_line, lines))


def _describe_environment(environment: Environment) -> Iterator[str]:
    yield f"Python {environment.python}, {environment.system}, {environment.cores} cores"
    versions = [f"{name} {version or 'missing'}" for name, version in environment.versions.items()]
    yield f"packages: {', '.join(versions)}"
    seen = [f"{library} sees {device.seen or 'nothing, see below'}" for library, device in environment.devices.items()]
    yield f"devices: {'; '.join(seen) or 'no library to see any'}"


def _describe_checkpoint(checkpoint: CheckpointReport) -> str:
    origin = f"the published {checkpoint.release}" if checkpoint.release else "not a published file"
    return (
        f"checkpoint: stage {checkpoint.stage}, {checkpoint.title}, MD5 {checkpoint.md5 or 'none'}, "
        f"{'untrained' if checkpoint.untrained else origin}"
    )


def gigabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _describe_resources(resources: Resources) -> str:
    disk, memory = resources.free_disk, resources.available_memory
    return (
        f"a run takes about {gigabytes(resources.needs.disk)} of disk for each model "
        f"({'?' if disk is None else gigabytes(disk)} free in {resources.folder}) and "
        f"{gigabytes(resources.needs.memory)} of memory for the embeddings of the largest task "
        f"({'?' if memory is None else gigabytes(memory)} available)"
    )


def _describe_findings(findings: Iterable[Finding]) -> Iterator[str]:
    """A line for each finding, up to `SHOWN` of a kind in one place, errors first in each task."""
    places: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        place = str(pathlib.PurePath(finding.file).parent) if "/" in finding.file else finding.file
        places.setdefault((finding.task, finding.severity, finding.kind, place), []).append(finding)
    order = list(dict.fromkeys(task for task, *_ in places))
    ranks = list(Severity)
    for key in sorted(places, key=lambda key: (order.index(key[0]), ranks.index(Severity(key[1])))):
        members = places[key]
        yield from map(_describe, members[:SHOWN])
        if len(members) > SHOWN:
            where = f"{key[0]}/{key[3]}" if key[3] else key[0]
            yield f"{key[1].upper()} {where}: and {len(members) - SHOWN:,} more of this kind (--json lists them all)"


def _describe(finding: Finding) -> str:
    where = f"{finding.task}/{finding.file}" if finding.file else finding.task
    return f"{finding.severity.upper()} {where}: {finding.message}; fix: {finding.fix}"


def _describe_result(report: Report) -> str:
    counts = collections.Counter(finding.severity for finding in report.findings)
    faults = [
        f"{counts[severity]:,} {severity}{'' if counts[severity] == 1 else 's'}"
        for severity in (Severity.ERROR, Severity.WARNING)
        if counts[severity]
    ]
    alone = "environment" if report.environment else "nothing else was checked"
    subject = _describe_tasks(report.tasks) if report.tasks else alone
    return f"{subject}: {' and '.join(faults) or 'no fault found'}{_describe_depth(report.tasks)}"


def _describe_tasks(tasks: Sequence[TaskReport]) -> str:
    clips, hours = sum(task.clips for task in tasks), sum(task.seconds for task in tasks) / 3600
    audio = f"{hours:.1f} h" if hours >= 0.1 else f"{3600 * hours:.0f} s"
    name = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    return f"{name}, {clips:,} clips, {audio} of audio"


def _describe_depth(tasks: Sequence[TaskReport]) -> str:
    partial = [task for task in tasks if not task.whole]
    if not partial:
        return ""
    read, clips = sum(task.read for task in partial), sum(task.clips for task in partial)
    which = partial[0].folder.name if len(partial) == 1 else f"the {len(partial)} largest tasks"
    return f" ({read:,} of the {clips:,} clips of {which} were looked into, by their headers; --deep reads all of each)"
