"""Bringing HEAR tasks to other sample rates, on all cores."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.full_disk import describe_full, is_full
from hear_cacophony.printable import on_one_line
from hear_cacophony.progress import ByteProgress
from hear_tasks.prepare.plan import Plan, make_plan
from hear_tasks.prepare.resample_clip import Clip, Tally
from hear_tasks.prepare.sources import Task, find_sources, lock_folder, unpack_all
from hear_tasks.prepare.workers import Workers
from hear_tasks.task_folder import SAMPLE_RATES, UNFINISHED_CLIP, TaskError


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
    if tally.brought:
        parts[-1] += f" that this command did not make, left as they are (move {report.rate}/ away to have it made)"
    if tally.replaced:
        parts.append(
            f"{tally.replaced} made again (of another length, form or source folder, or older than their source)"
        )
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


def prepare_tasks(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    rates: Sequence[int] = (16_000,),
    jobs: int | None = None,
) -> Report:
    """Bring HEAR tasks to `rates`: mono, 16-bit PCM, each from the highest rate that a task has.

    A clip is as long as its task's `sample_duration` says, or, where that is null, as its source to the
    nearest sample. Samples beyond full scale are set to full scale and counted. A clip that is there
    already, of the right form and length, of the same source folder and not older than its source, is
    kept; one that is not so is made again. In a folder of audio that came otherwise, from a tarball or from
    the user, nothing is written: its clips are kept, what it lacks is an error. A bad clip is in its task's
    error with all others of the task, and the good ones are made.
    Processes are started afresh, so a script calls this under `if __name__ == "__main__":`.

    Args:
        sources: task directories, folders of them (also with hear-VERSION/tasks/ or tasks/ between),
            tarballs (.tar.gz, .tgz, .tar), folders of tarballs.
        out: folder for the task directories. Without it a task is prepared where it is, and a tarball
            unpacked beside itself. With it, metadata, vocabulary and splits are copied there, too.
        rates: sample rates in Hz to have, of `SAMPLE_RATES`; the highest cannot be made, it has to be there.
        jobs: number of processes, one for each core available by default.

    Returns:
        The report; what is wrong with single tasks and tarballs is in its `errors`.

    Raises:
        FileNotFoundError: a source is not there.
        ValueError: a source holds no task, two sources hold the same one, or another argument is wrong.
        ModuleNotFoundError: soxr is not installed.
    """
    unknown = [rate for rate in rates if rate not in SAMPLE_RATES]
    if unknown or not rates:
        told = unknown[0] if unknown else "none"
        raise ValueError(f"expected sample rates of {', '.join(map(str, SAMPLE_RATES))} Hz, got {told}")
    jobs = len(os.sched_getaffinity(0)) if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"expected at least 1 job, got {jobs}")
    folder = None if out is None else pathlib.Path(out).resolve()
    if folder and folder.exists() and not folder.is_dir():
        raise ValueError(f"{out}: expected a folder for the tasks, found a file")
    tasks, tarballs = find_sources(map(pathlib.Path, sources), folder)
    unpacked, archive_errors = unpack_all(tarballs, tasks, jobs)
    tasks = list({task.target: task for task in [*tasks, *unpacked]}.values())
    return Report(tuple(_prepare_all(tasks, list(dict.fromkeys(rates)), jobs)), tuple(archive_errors))


def _prepare_all(tasks: list[Task], rates: list[int], jobs: int) -> list[TaskReport]:
    plans = [[_plan_or_report(task, rate) for rate in rates] for task in tasks]
    total = sum(plan.size for of_task in plans for plan in of_task if isinstance(plan, Plan))
    with ByteProgress("resample", total) as progress, Workers(jobs, progress) as workers:
        return [report for of_task in plans for report in _prepare(of_task, workers)]


def _plan_or_report(task: Task, rate: int) -> Plan | TaskReport:
    try:
        return make_plan(task, rate)
    except (TaskError, OSError) as error:
        return TaskReport(task.target, rate, None, Tally(), str(error))


def _prepare(plans: list[Plan | TaskReport], workers: Workers) -> list[TaskReport]:
    """Prepare one task at all its rates; whatever is wrong with it leaves the other tasks alone."""
    fit = [plan for plan in plans if isinstance(plan, Plan)]
    error = _prepare_rates(fit, workers) if fit else ""
    makes = any(plan.source_rate for plan in fit)

    def report(plan: Plan) -> TaskReport:
        of_this = error if plan.source_rate or not makes else ""  # what is there has no part in faults of what is made
        return TaskReport(plan.task.target, plan.rate, plan.source_rate, plan.tally, of_this)

    return [plan if isinstance(plan, TaskReport) else report(plan) for plan in plans]


def _prepare_rates(plans: list[Plan], workers: Workers) -> str:
    """Make the audio of a task at the rates of its plans; what is wrong, "" if nothing is."""
    task = plans[0].task
    try:
        task.target.mkdir(parents=True, exist_ok=True)
        with lock_folder(task.target, task.target.parent):
            to_make = [_look_at_what_is_there(plan) for plan in plans if plan.source_rate]
            _remove_temporaries(task, to_make)
            try:
                _copy_description(task)
                _check_room(task, to_make)
                for plan in to_make:
                    if not (plan.conversion.anew or plan.conversion.brought):
                        plan.note_source()
                workers.resample(_batches(to_make))
                for plan in to_make:  # of those that were of another folder, when none of these is left
                    if plan.conversion.anew and not plan.tally.failure:
                        plan.note_source()
            except KeyboardInterrupt:
                workers.end()
                _remove_temporaries(task, to_make)
                raise
        return _describe_faults(task, to_make)
    except (TaskError, OSError) as fault:
        return str(fault)


def _look_at_what_is_there(plan: Plan) -> Plan:
    """A plan to make all clips if those that are there were made from another folder, none if they were not made here.

    Whose audio was brought or unpacked may have none else: it is not ours to replace, whatever its times.
    """
    brought = plan.is_brought()
    anew = not brought and plan.is_of_another()
    return dataclasses.replace(plan, conversion=dataclasses.replace(plan.conversion, anew=anew, brought=brought))


def _batches(plans: list[Plan]) -> Iterator[tuple[Plan, list[Clip]]]:
    """The clips of all plans, the rates in turn, so that a source is read again while the system still holds it."""
    for batches in itertools.zip_longest(*(plan.batches() for plan in plans)):
        for plan, batch in zip(plans, batches, strict=True):
            if batch:
                yield plan, batch


def _remove_temporaries(task: Task, plans: list[Plan]) -> None:
    """Remove what a killed run has left."""
    folders = [task.target, *(plan.made / split for plan in plans for split in plan.splits)]
    for folder in folders:
        for file in folder.glob(f"{UNFINISHED_CLIP}*"):
            file.unlink()


def _copy_description(task: Task) -> None:
    """Copy the files beside the audio to where the task goes."""
    if task.source == task.target:
        return
    for file in sorted(task.source.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            _copy_whole(file, task.target / file.name)


def _copy_whole(file: pathlib.Path, target: pathlib.Path) -> None:
    if target.exists():
        if target.read_bytes() != file.read_bytes():
            raise TaskError(f"{target}: differs from {file}; is it of another version of the task? Move it away")
        return
    write_file(target, lambda part: shutil.copyfile(file, part))


def _check_room(task: Task, plans: list[Plan]) -> None:
    needed, free = sum(plan.bytes_needed() for plan in plans), shutil.disk_usage(task.target).free
    if needed > free:
        raise TaskError(
            f"{task.target}: no room: its audio still needs about {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free; "
            "nothing was written; make room and run the same command again"
        )


def _describe_faults(task: Task, plans: list[Plan]) -> str:
    """One message with every fault, "" if there is none; a bad file is named once, whatever the number of rates."""
    whole = Tally()
    for plan in plans:
        whole.add(plan.tally)
    lines = []
    if whole.failure:
        lines.append(_describe_failure(task, plans, whole.clips, whole.failure))
    bad = sorted(set(whole.bad))
    if bad:
        count = "1 bad file, which was" if len(bad) == 1 else f"{len(bad)} bad files, which were"
        lines.append(f"{task.source}: {count} left out; mend and run the same command again")
        lines += [on_one_line(f"  {file}: {fault}") for file, fault in bad]
    return "\n".join(lines)


def _describe_failure(task: Task, plans: list[Plan], clips: int, failure: OSError) -> str:
    made = f"the {clips} clips made so far are whole"
    if is_full(failure):
        needed = sum(plan.bytes_needed() for plan in plans)
        told = describe_full(failure, task.target, f"{made}, the others need about {needed / 1e6:.1f} MB")
        return f"{task.target}: {told} and run the same command again"
    message = f"{task.target}: could not be written: {failure}; {made}"
    if failure.errno in (errno.EACCES, errno.EROFS):
        return f"{message}; name another folder with --out, or give yourself leave to write"
    return f"{message}; run the same command again when that is mended"
