"""HEAR tasks at 16 kHz, from the folders or tarballs of 48 kHz that they are published as.

    hear-cacophony prepare SOURCE... [--out DIR]

The audio at 16 kHz goes beside that at 48 kHz, TASK/16000/SPLIT/*.wav, which is only read. A run that was
killed goes on where it stopped when it is started again.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import errno
import fcntl
import importlib.util
import json
import math
import multiprocessing
import os
import pathlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import soundfile

from hear_tasks.prepare import archives
from hear_tasks.prepare.archives import ArchiveError
from hear_tasks.prepare.resample import Clip, Conversion, Tally, resample_clips, start_worker
from hear_tasks.progress import Progress
from hear_tasks.task_folder import METADATA_FILE, SAMPLE_RATES, UNFINISHED_CLIP

_BATCH_CLIPS = 64
_BATCH_BYTES = 8_000_000
_SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


class TaskError(ValueError):
    """A task that cannot be prepared, or not all of it; the message names it and every bad file."""


@dataclasses.dataclass(frozen=True)
class TaskReport:
    """What became of one task.

    Attributes:
        task: its directory, where the audio now is.
        source_rate: sample rate in Hz that it was made from, None if nothing had to be made.
        tally: counts of its clips.
        error: what is wrong with it, "" if it is whole.
    """

    task: pathlib.Path
    source_rate: int | None
    tally: Tally
    error: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of all tasks, and of the tarballs that could not be unpacked."""

    rate: int
    tasks: tuple[TaskReport, ...]
    archive_errors: tuple[str, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """One message for each task or tarball that is not whole."""
        return (*self.archive_errors, *(task.error for task in self.tasks if task.error))


@dataclasses.dataclass(frozen=True)
class _Task:
    """A task directory to read and the one to write, often the same."""

    source: pathlib.Path
    target: pathlib.Path


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How to prepare one task; without a conversion there is nothing to do."""

    task: _Task
    conversion: Conversion | None
    splits: tuple[str, ...]
    size: int

    def source(self, split: str) -> pathlib.Path:
        assert self.conversion
        return self.task.source / str(self.conversion.source_rate) / split

    def target(self, split: str) -> pathlib.Path:
        assert self.conversion
        return self.task.target / str(self.conversion.rate) / split


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
            tarballs (.tar.gz), folders of tarballs.
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
    tasks, tarballs = _find(map(pathlib.Path, sources), folder)
    _check_distinct(tasks)
    unpacked, archive_errors = _unpack(tarballs, tasks, jobs)
    tasks = list({task.target: task for task in [*tasks, *unpacked]}.values())
    return Report(rate, tuple(_prepare_all(tasks, rate, jobs)), tuple(archive_errors))


def _check_installed() -> None:
    missing = [name for name in ("soxr", "tqdm") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"preparing tasks needs {' and '.join(missing)}: pip install 'hear_cacophony[tasks]'", name=missing[0]
        )


def _find(
    sources: Iterable[pathlib.Path], out: pathlib.Path | None
) -> tuple[list[_Task], list[tuple[pathlib.Path, pathlib.Path]]]:
    """The tasks of the sources, and their tarballs with the folders to unpack them to."""
    tasks: list[_Task] = []
    tarballs: dict[pathlib.Path, pathlib.Path] = {}
    given = [source.resolve() for source in sources]
    if not given:
        raise ValueError("expected at least one task directory or tarball, got none")
    for source in given:
        folders, files = _look_into(source)
        tasks += [_Task(folder, out / folder.name if out else folder) for folder in folders]
        tarballs |= {file: out or file.parent for file in files}
    return list(dict.fromkeys(tasks)), list(tarballs.items())


def _look_into(source: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Task directories and tarballs of one source."""
    if not source.exists():
        raise FileNotFoundError(
            errno.ENOENT, f"expected a HEAR task or {archives.SUFFIX} file, found nothing", str(source)
        )
    if source.is_file():
        if not source.name.endswith(archives.SUFFIX):
            raise ValueError(f"{source}: expected a folder or a {archives.SUFFIX} file")
        return [], [source]
    if _is_task(source):
        return [source], []
    above = [source, source / "tasks", *sorted(source.glob("hear-*/tasks"))]
    folders = [task for folder in above if folder.is_dir() for task in sorted(folder.iterdir()) if _is_task(task)]
    tarballs = [file for file in sorted(source.glob(f"*{archives.SUFFIX}")) if file.is_file()]
    if not folders and not tarballs:
        raise ValueError(
            f"{source}: expected a HEAR task (a folder with {METADATA_FILE}), a folder of tasks or of "
            f"{archives.SUFFIX} files, found none of them"
        )
    return folders, tarballs


def _is_task(folder: pathlib.Path) -> bool:
    if folder.name.startswith(".") or not folder.is_dir():
        return False
    return (folder / METADATA_FILE).exists() or any((folder / str(rate)).is_dir() for rate in SAMPLE_RATES)


def _check_distinct(tasks: list[_Task]) -> None:
    targets: dict[pathlib.Path, _Task] = {}
    for task in tasks:
        other = targets.setdefault(task.target, task)
        if other != task:
            raise ValueError(f"{other.source} and {task.source} would both go to {task.target}; give one of them")


def _unpack(
    tarballs: list[tuple[pathlib.Path, pathlib.Path]], tasks: list[_Task], jobs: int
) -> tuple[list[_Task], list[str]]:
    """Unpack tarballs, several at a time; the tasks they held, and the errors."""
    if not tarballs:
        return [], []
    with contextlib.ExitStack() as stack:
        for folder in sorted({folder for _, folder in tarballs}):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_lock(folder))
            archives.remove_unfinished(folder)
        progress = stack.enter_context(Progress("unpack", sum(file.stat().st_size for file, _ in tarballs)))
        threads = stack.enter_context(concurrent.futures.ThreadPoolExecutor(jobs))
        stop = threading.Event()

        def advance(done: int) -> None:
            if stop.is_set():
                raise concurrent.futures.CancelledError
            progress.update(done)

        try:
            pending = [threads.submit(_unpack_one, file, folder, tasks, advance) for file, folder in tarballs]
            answers = [future.result() for future in pending]
        except BaseException:
            stop.set()
            raise
    return [task for task, _ in answers if task], [error for _, error in answers if error]


def _unpack_one(
    tarball: pathlib.Path, folder: pathlib.Path, tasks: list[_Task], advance: Callable[[int], None]
) -> tuple[_Task | None, str]:
    """The task of a tarball, unpacked unless a source holds it already, or what is wrong."""
    try:
        name, rate = archives.read_contents(tarball)
        for task in tasks:
            if task.source.name == name and (task.source / rate).is_dir():
                return task, ""
        unpacked = folder / archives.unpack(tarball, folder, advance)
        return _Task(unpacked, unpacked), ""
    except ArchiveError as error:
        return None, str(error)
    except OSError as error:
        return None, f"{tarball}: could not be unpacked to {folder}: {error}"


@contextlib.contextmanager
def _lock(folder: pathlib.Path) -> Iterator[None]:
    """Keep two runs from writing to one folder; the lock ends with the process and leaves no file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise TaskError(f"{folder}: another run is writing to it; wait for its end, or stop it") from error
    except OSError:
        pass  # a file system that knows no such locks
    try:
        yield
    finally:
        os.close(handle)


def _prepare_all(tasks: list[_Task], rate: int, jobs: int) -> list[TaskReport]:
    plans: list[_Plan | TaskReport] = [_plan_or_report(task, rate) for task in tasks]
    total = sum(plan.size for plan in plans if isinstance(plan, _Plan))
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other libraries' threads
    with (
        Progress("resample", total) as progress,
        concurrent.futures.ProcessPoolExecutor(jobs, context, start_worker) as pool,
    ):
        workers = _Workers(pool, jobs, progress)
        return [_prepare(plan, workers) if isinstance(plan, _Plan) else plan for plan in plans]


def _plan_or_report(task: _Task, rate: int) -> _Plan | TaskReport:
    try:
        return _make_plan(task, rate)
    except (TaskError, OSError) as error:
        return TaskReport(task.target, None, Tally(), str(error))


def _make_plan(task: _Task, rate: int) -> _Plan:
    metadata = _read_metadata(task.source)
    source_rate = _choose_source_rate(task, rate)
    if source_rate is None:
        return _Plan(task, None, (), 0)
    folder = task.source / str(source_rate)
    found = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    size = sum(entry.stat().st_size for split in found for entry in _scan(folder / split))
    if not size and not any(True for split in found for _ in _scan(folder / split)):
        raise TaskError(f"{folder}: expected SPLIT/*.wav, found none; was the tarball unpacked to the end?")
    conversion = Conversion(source_rate, rate, metadata["sample_duration"])
    return _Plan(task, conversion, tuple(sorted(found | set(metadata["splits"]))), size)


def _read_metadata(task: pathlib.Path) -> dict[str, Any]:
    """`task_metadata.json` with the fields that are needed here checked."""
    file = task / METADATA_FILE
    metadata = _read_object(file)
    if "sample_duration" not in metadata:
        raise TaskError(f'{file}: expected a field "sample_duration" (seconds or null), found none')
    seconds = metadata["sample_duration"]
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 < seconds < math.inf):
        raise TaskError(f'{file}: expected "sample_duration" in seconds or null, got {seconds!r}')
    splits = metadata.setdefault("splits", [])
    if not (isinstance(splits, list) and all(isinstance(split, str) for split in splits)):
        raise TaskError(f'{file}: expected "splits" to be a list of names, got {splits!r}')
    return metadata


def _read_object(file: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise TaskError(f"{file}: expected this file, found none; was the tarball unpacked to the end?") from error
    except ValueError as error:
        raise TaskError(f"{file}: expected JSON, could not read it: {error}") from error
    if not isinstance(content, dict):
        raise TaskError(f"{file}: expected a JSON object, got {type(content).__name__}")
    return content


def _choose_source_rate(task: _Task, rate: int) -> int | None:
    """The highest rate that the task has; None if it has no other than the one that is asked for."""
    higher = [each for each in SAMPLE_RATES if each > rate and (task.source / str(each)).is_dir()]
    if higher:
        return max(higher)
    if not (task.source / str(rate)).is_dir():
        expected = ", ".join(f"{each}/" for each in reversed(SAMPLE_RATES) if each > rate)
        raise TaskError(f"{task.source}: expected a folder of audio ({expected}), found none")
    if task.target != task.source:
        raise TaskError(f"{task.source}: has no audio but that at {rate} Hz; use it there, or copy it to {task.target}")
    return None


def _scan(folder: pathlib.Path) -> Iterator[os.DirEntry[str]]:
    """The clips of one split, *.wav, in no order; other files are none of the task's audio."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(".wav") and not entry.name.startswith("."):
                yield entry


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


def _prepare(plan: _Plan, workers: _Workers) -> TaskReport:
    """Prepare one task; whatever is wrong with it leaves the others alone."""
    tally = Tally()
    try:
        plan.task.target.mkdir(parents=True, exist_ok=True)
        with _lock(plan.task.target):
            _remove_temporaries(plan)
            _copy_description(plan.task)
            if plan.conversion is None:
                return TaskReport(plan.task.target, None, tally, "")
            _check_room(plan)
            missing: list[tuple[str, str]] = []
            tally = workers.resample(_batches(plan, missing), plan.conversion)
            tally.bad += missing
        error = _describe_faults(plan, tally)
    except (TaskError, OSError) as fault:
        error = str(fault)
    return TaskReport(plan.task.target, plan.conversion.source_rate if plan.conversion else None, tally, error)


def _remove_temporaries(plan: _Plan) -> None:
    """Remove what a killed run has left."""
    folders = [plan.task.target, *(plan.target(split) for split in plan.splits)]
    for folder in folders:
        for file in folder.glob(f"{UNFINISHED_CLIP}*"):
            file.unlink()


def _copy_description(task: _Task) -> None:
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


def _check_room(plan: _Plan) -> None:
    needed, free = _bytes_needed(plan), shutil.disk_usage(plan.task.target).free
    if needed > free:
        raise TaskError(
            f"{plan.task.target}: no room: its audio still needs about {needed / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free; nothing was written; free some space and run the same command again"
        )


def _bytes_needed(plan: _Plan) -> int:
    """What the clips will take that are not there yet, by the sizes of the files and the first clip's form."""
    assert plan.conversion
    there = sum(entry.stat().st_size for split in plan.splits for entry in _scan(plan.target(split)))
    whole = plan.size * plan.conversion.rate * 2 // (plan.conversion.source_rate * _bytes_per_sample(plan))
    return max(0, whole - there)


def _bytes_per_sample(plan: _Plan) -> int:
    first = next(entry.path for split in plan.splits for entry in _scan(plan.source(split)))
    try:
        return _SAMPLE_BYTES.get(soundfile.info(first).subtype, 2)
    except soundfile.LibsndfileError:
        return 2


def _batches(plan: _Plan, missing: list[tuple[str, str]]) -> Iterator[list[Clip]]:
    """Clips in handfuls; what a split names but is not there is added to `missing`."""
    batch: list[Clip] = []
    for clip in _clips(plan, missing):
        batch.append(clip)
        if len(batch) == _BATCH_CLIPS or sum(each.size for each in batch) >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _clips(plan: _Plan, missing: list[tuple[str, str]]) -> Iterator[Clip]:
    for split in plan.splits:
        source, target = plan.source(split), plan.target(split)
        if not source.is_dir():
            missing.append((str(source), f"expected the audio of split {split}, found no folder"))
            continue
        listed = _listed_names(plan.task.source / f"{split}.json", missing)
        for entry in _scan(source):
            listed.discard(entry.name)
            yield Clip(entry.path, str(target / entry.name), entry.stat().st_size)
        missing += [(str(source / name), f"named in {split}.json, but not there") for name in listed]


def _listed_names(file: pathlib.Path, bad: list[tuple[str, str]]) -> set[str]:
    """The clips of a split, if it has its file; one that cannot be read is added to `bad`."""
    if not file.exists():
        return set()
    try:
        return set(_read_object(file))
    except TaskError as error:
        bad.append((str(file), str(error).removeprefix(f"{file}: ")))
        return set()


def _describe_faults(plan: _Plan, tally: Tally) -> str:
    """One message with every fault, "" if there is none."""
    lines = []
    if tally.failure:
        lines.append(_describe_failure(plan, tally, tally.failure))
    if tally.bad:
        count = "1 bad file, which was" if len(tally.bad) == 1 else f"{len(tally.bad)} bad files, which were"
        lines.append(f"{plan.task.source}: {count} left out; mend and run the same command again")
        lines += [f"  {file}: {fault}" for file, fault in sorted(tally.bad)]
    return "\n".join(lines)


def _describe_failure(plan: _Plan, tally: Tally, failure: OSError) -> str:
    message = f"{plan.task.target}: could not be written: {failure}; the {tally.clips} clips made so far are whole"
    if failure.errno in archives.FULL_DISK:
        free = shutil.disk_usage(plan.task.target).free
        message += f"; the others need about {_bytes_needed(plan) / 1e6:.1f} MB, {free / 1e6:.1f} MB are free"
    return f"{message}; run the same command again when there is room or leave to write"
