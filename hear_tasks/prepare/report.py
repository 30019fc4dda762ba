"""What became of the tasks that were prepared, for programs and for people."""

from __future__ import annotations

import dataclasses
import pathlib

from hear_cacophony.sounds.names import on_one_line
from hear_tasks.prepare.resample_clip import Tally


@dataclasses.dataclass(frozen=True)
class TaskReport:
    """What became of one task at one rate.

    Attributes:
        task: its directory, where the audio now is.
        rate: sample rate in Hz that was asked for.
        source_rate: sample rate in Hz that it was made from, None if nothing had to be made.
        tally: counts of its clips.
        error: what is wrong with it, "" if it is whole; the same for all rates that a fault concerns.
    """

    task: pathlib.Path
    rate: int
    source_rate: int | None
    tally: Tally
    error: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of all tasks at each rate, and of the tarballs that could not be unpacked."""

    tasks: tuple[TaskReport, ...]
    archive_errors: tuple[str, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """One message for each fault of a task or tarball that is not whole."""
        return (*self.archive_errors, *dict.fromkeys(task.error for task in self.tasks if task.error))


def describe_task(report: TaskReport) -> str:
    """What became of a task at one rate, in a line."""
    tally = report.tally
    subject = f"{report.task.name} at {report.rate} Hz: "
    if report.source_rate is None:
        return subject + ("not prepared" if report.error else "there already, the highest rate that it has")
    parts = [f"{tally.written} clips made from {report.source_rate} Hz", f"{tally.kept} there already"]
    if tally.replaced:
        parts.append(f"{tally.replaced} made again (other length or form, or older than their source)")
    if tally.fitted:
        parts.append(f"{tally.fitted} brought to the task's exact length (they were off by up to 1 ms)")
    if tally.clipped:
        name, samples = tally.most_clipped
        parts.append(
            f"{tally.clipped_samples} samples of {tally.clipped} clips beyond full scale after resampling, "
            f"set to full scale (most in {on_one_line(name)}: {samples})"
        )
    if report.error:
        parts.append("not whole, see below")
    return subject + ", ".join(parts)
