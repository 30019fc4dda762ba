"""Bringing HEAR tasks to another sample rate, on all cores."""

from __future__ import annotations

import concurrent.futures
import errno
import importlib.util
import multiprocessing
import os
import pathlib
import shutil
from collections.abc import Iterable

from hear_tasks.prepare import archives
from hear_tasks.prepare.lock_folder import FolderBusyError, lock_folder
from hear_tasks.prepare.plan import Plan, TaskError, make_plan
from hear_tasks.prepare.report import Report, TaskReport
from hear_tasks.prepare.resample import Clip, Conversion, Tally, resample_clips, start_worker
from hear_tasks.prepare.sources import Task, find_sources, unpack_all
from hear_tasks.progress import Progress
from hear_tasks.task_folder import SAMPLE_RATES, UNFINISHED_CLIP


def prepare_tasks(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    rate: int = 16_000,
    jobs: int | None = None,
) -> Report:
    """Bring HEAR tasks to `rate`: mono, 16-bit PCM, from the highest other rate that each task has.

    A clip is as long as its task's `sample_duration` says, or, where that is null, as its source to the
    nearest sample. Samples beyond full scale are set to full scale and counted. A clip that is there
    already, of the right form and length and not older than its source, is kept; one that is not so is
    made again. A bad clip is in its task's error with all others of the task, and the good ones are made.
    Processes are started afresh, so a script calls this under `if __name__ == "__main__":`.

    Args:
        sources: task directories, folders of them (also with hear-VERSION/tasks/ or tasks/ between),
            tarballs (.tar.gz, .tgz, .tar), folders of tarballs.
        out: folder for the task directories. Without it a task is prepared where it is, and a tarball
            unpacked beside itself. With it, metadata, vocabulary and splits are copied there, too.
        rate: sample rate in Hz to make, one of `SAMPLE_RATES` but the highest.
        jobs: number of processes, one for each core available by default.

    Returns:
        The report; what is wrong with single tasks and tarballs is in its `errors`.

    Raises:
        FileNotFoundError: a source is not there.
        ValueError: a source holds no task, two sources hold the same one, or another argument is wrong.
        ModuleNotFoundError: the package's extra "tasks" is not installed.
    """
    _check_installed()
    if rate not in SAMPLE_RATES[:-1]:
        raise ValueError(f"expected a sample rate of {', '.join(map(str, SAMPLE_RATES[:-1]))} Hz, got {rate}")
    jobs = len(os.sched_getaffinity(0)) if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"expected at least 1 job, got {jobs}")
    folder = None if out is None else pathlib.Path(out).resolve()
    tasks, tarballs = find_sources(map(pathlib.Path, sources), folder)
    unpacked, archive_errors = unpack_all(tarballs, tasks, jobs)
    tasks = list({task.target: task for task in [*tasks, *unpacked]}.values())
    return Report(rate, tuple(_prepare_all(tasks, rate, jobs)), tuple(archive_errors))


def _check_installed() -> None:
    missing = [name for name in ("soxr", "tqdm") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"preparing tasks needs {' and '.join(missing)}: pip install 'hear_cacophony[tasks]'", name=missing[0]
        )


def _prepare_all(tasks: list[Task], rate: int, jobs: int) -> list[TaskReport]:
    plans: list[Plan | TaskReport] = [_plan_or_report(task, rate) for task in tasks]
    total = sum(plan.size for plan in plans if isinstance(plan, Plan))
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other libraries' threads
    with (
        Progress("resample", total) as progress,
        concurrent.futures.ProcessPoolExecutor(jobs, context, start_worker) as pool,
    ):
        workers = _Workers(pool, jobs, progress)
        return [_prepare(plan, workers) if isinstance(plan, Plan) else plan for plan in plans]


def _plan_or_report(task: Task, rate: int) -> Plan | TaskReport:
    try:
        return make_plan(task, rate)
    except (TaskError, OSError) as error:
        return TaskReport(task.target, None, Tally(), str(error))


class _Workers:
    """The processes that resample, and how far they are."""

    def __init__(self, pool: concurrent.futures.Executor, jobs: int, progress: Progress) -> None:
        self._pool, self._progress = pool, progress
        self._most_pending = 4 * jobs

    def resample(self, batches: Iterable[list[Clip]], conversion: Conversion) -> Tally:
        """Make the clips of all batches, a few batches ahead at a time, until one cannot be written."""
        tally = Tally()
        pending: set[concurrent.futures.Future[Tally]] = set()
        for batch in batches:
            pending.add(self._pool.submit(resample_clips, batch, conversion))
            if len(pending) == self._most_pending:
                pending = self._collect(pending, tally)
            if tally.failure:
                break
        while pending:
            pending = self._collect(pending, tally)
        return tally

    def _collect(
        self, pending: set[concurrent.futures.Future[Tally]], tally: Tally
    ) -> set[concurrent.futures.Future[Tally]]:
        done, rest = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            result = future.result()
            tally.add(result)
            self._progress.update(result.size)
        return rest


def _prepare(plan: Plan, workers: _Workers) -> TaskReport:
    """Prepare one task; whatever is wrong with it leaves the others alone."""
    tally = Tally()
    try:
        plan.task.target.mkdir(parents=True, exist_ok=True)
        with lock_folder(plan.task.target, plan.task.target.parent):
            _remove_temporaries(plan)
            _copy_description(plan.task)
            if plan.conversion is None:
                return TaskReport(plan.task.target, None, tally, "")
            _check_room(plan)
            missing = list(plan.bad)
            tally = workers.resample(plan.batches(missing), plan.conversion)
            tally.bad += missing
        error = _describe_faults(plan, tally)
    except (TaskError, FolderBusyError, OSError) as fault:
        error = str(fault)
    return TaskReport(plan.task.target, plan.conversion.source_rate if plan.conversion else None, tally, error)


def _remove_temporaries(plan: Plan) -> None:
    """Remove what a killed run has left."""
    folders = [plan.task.target, *(plan.target(split) for split in plan.splits)]
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
    temporary = target.with_name(f"{UNFINISHED_CLIP}{os.getpid()}")
    shutil.copyfile(file, temporary)
    temporary.rename(target)


def _check_room(plan: Plan) -> None:
    needed, free = plan.bytes_needed(), shutil.disk_usage(plan.task.target).free
    if needed > free:
        raise TaskError(
            f"{plan.task.target}: no room: its audio still needs about {needed / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free; nothing was written; free some space and run the same command again"
        )


def _describe_faults(plan: Plan, tally: Tally) -> str:
    """One message with every fault, "" if there is none."""
    lines = []
    if tally.failure:
        lines.append(_describe_failure(plan, tally, tally.failure))
    if tally.bad:
        count = "1 bad file, which was" if len(tally.bad) == 1 else f"{len(tally.bad)} bad files, which were"
        lines.append(f"{plan.task.source}: {count} left out; mend and run the same command again")
        lines += [f"  {file}: {fault}" for file, fault in sorted(tally.bad)]
    return "\n".join(lines)


def _describe_failure(plan: Plan, tally: Tally, failure: OSError) -> str:
    message = f"{plan.task.target}: could not be written: {failure}; the {tally.clips} clips made so far are whole"
    if failure.errno in archives.FULL_DISK:
        free = shutil.disk_usage(plan.task.target).free
        message += f"; the others need about {plan.bytes_needed() / 1e6:.1f} MB, {free / 1e6:.1f} MB are free"
    if failure.errno in (errno.EACCES, errno.EROFS):
        return f"{message}; name another folder with --out, or give yourself leave to write"
    return f"{message}; run the same command again when there is room or leave to write"
