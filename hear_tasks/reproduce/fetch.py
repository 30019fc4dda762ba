"""Tasks are fetched and prepared one after the other, each while the one before it is embedded.

A task is settled when all its embeddings are there; its tarball and its 48 kHz audio go as soon as nothing needs them
any more. What is there tells how far a killed run has come.
"""

from __future__ import annotations

import contextlib
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from hear_tasks.download import tarball_name, tarball_sizes
from hear_tasks.registry import TASKS, HearTask
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.options import Fetching, Options, Phase
from hear_tasks.reproduce.record import POLL_SECONDS
from hear_tasks.reproduce.room import AT_A_TIME, PUBLISHED_RATE, check_room, estimate_room, order_tasks
from hear_tasks.reproduce.run_job import Stop, last_lines, run_bound, summary
from hear_tasks.task_folder import METADATA_FILE

TARBALLS = "tarballs"
"""The folder in that of the tasks for what is fetched."""

_GOING = ".going-"
"""Start of the names of folders that are being removed, so that half a folder is never taken for a whole one."""


class FetchError(OSError):
    """A task could not be fetched or prepared."""


class TaskFetcher:
    """Brings the tasks of a run.

    Args:
        options: of the run.
        jobs: all of them.
        stop: ends the work.
        tell: takes remarks; called from several threads.
    """

    def __init__(self, options: Options, jobs: Sequence[Job], stop: Stop, tell: Callable[[str], None]) -> None:
        assert options.fetching is not None
        self._options, self._fetching, self._jobs = options, options.fetching, jobs
        self._stop, self._tell = stop, tell
        self._archives = options.tasks_dir / TARBALLS
        self._room = threading.Semaphore(AT_A_TIME)
        self._fetched: queue.SimpleQueue[pathlib.Path | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[pathlib.Path | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._held = 0
        self._order: list[pathlib.Path] = []
        self.failures: dict[pathlib.Path, str] = {}

    def plan(self) -> None:
        """Tell what all of it takes.

        Raises:
            OSError: the list of the tarballs cannot be had.
            ValueError: there is no room.
        """
        self._archives.mkdir(parents=True, exist_ok=True)
        for left in [*self._options.tasks_dir.glob(f"*/{_GOING}*"), *self._archives.glob(f"{_GOING}*")]:
            shutil.rmtree(left)
        by_name = {task.directory: task for task in TASKS}
        wanted = [by_name[task.name] for task in self._options.tasks]
        known = tarball_sizes(wanted, self._archives, self._fetching.mirror)
        sizes = {task: known[task] for task in order_tasks(known)}
        room = estimate_room(sizes, self._options)
        for line in room.lines():
            self._tell(line)
        check_room(room, self._bytes_there(sizes), self._options)
        self._order = [self._folder(task) for task in [*sizes, *(task for task in wanted if task not in sizes)]]

    def start(self) -> None:
        """Begin."""
        for work in (self._fetch_all, self._prepare_all):
            self._threads.append(threading.Thread(target=work, name="fetch", daemon=True))
            self._threads[-1].start()

    def ready(self) -> Iterator[pathlib.Path]:
        """The tasks that are to be embedded, as they become ready; to be released when that is done."""
        while (task := self._next(self._ready)) is not None:
            yield task

    def release(self, task: pathlib.Path) -> None:
        """A task is embedded, or others will: what nothing needs any more goes."""
        self._clear(task, audio=not self._fetching.alone)
        if PUBLISHED_RATE in self._fetching.rates:
            self._room.release()

    def join(self) -> None:
        """Wait for the end of the work."""
        for thread in self._threads:
            thread.join()

    def _folder(self, task: HearTask) -> pathlib.Path:
        return self._options.tasks_dir / task.directory

    def _bytes_there(self, sizes: Mapping[HearTask, int]) -> int:
        """Room that earlier calls have taken already, about: that of whole tarballs, and of prepared audio."""
        there = 0
        for task, size in sizes.items():
            if (self._archives / tarball_name(task)).exists():
                there += size
            if self._is_prepared(self._folder(task)):
                there += estimate_room({task: size}, self._options).audio
        return there

    def _next(self, waiting: queue.SimpleQueue[pathlib.Path | None]) -> pathlib.Path | None:
        while not self._stop.is_requested():
            with contextlib.suppress(queue.Empty):
                return waiting.get(timeout=POLL_SECONDS)
        return None

    # In the first thread

    def _fetch_all(self) -> None:
        for number, task in enumerate(self._order, 1):
            if self._has_room():
                self._fetch(task, f"{number} of {len(self._order)}: {task.name}")
            elif self._stop.is_requested():
                break
            else:
                self.failures[task] = f"FAILED: not fetched: {AT_A_TIME} others failed, and keep their room"
        self._fetched.put(None)

    def _has_room(self) -> bool:
        """Wait for one of the tasks before to be used; False where none will be."""
        while self._held < AT_A_TIME and not self._stop.is_requested():
            if self._room.acquire(timeout=POLL_SECONDS):
                return True
        return False

    def _fetch(self, task: pathlib.Path, title: str) -> None:
        if self._is_settled(task):
            self._clear(task)
            self._room.release()
            return
        try:
            if not self._is_prepared(task) and not (task / str(PUBLISHED_RATE)).is_dir():
                places = ["tasks", task.name, "--to", str(self._archives)]
                self._run(task, "download", [*places, *_mirror(self._fetching)])
                self._tell(f"download {title}: it came")
            self._fetched.put(task)
        except FetchError as error:
            self._fail(task, "download", error)

    # In the second thread

    def _prepare_all(self) -> None:
        while (task := self._next(self._fetched)) is not None:
            try:
                self._prepare(task)
            except FetchError as error:
                self._fail(task, "prepare", error)
            else:
                self._ready.put(task)
        self._ready.put(None)

    def _prepare(self, task: pathlib.Path) -> None:
        if not self._is_prepared(task):
            has_audio = (task / str(PUBLISHED_RATE)).is_dir()
            source = task if has_audio else self._archives / _tarball_of(task)
            rates = ",".join(map(str, self._fetching.rates))
            self._run(task, "prepare", [str(source), "--out", str(self._options.tasks_dir), "--rates", rates])
            self._tell(f"prepare: {task.name}: done")
        if PUBLISHED_RATE not in self._fetching.rates:
            self._clear(task)
            self._room.release()

    # In both

    def _run(self, task: pathlib.Path, command: str, arguments: Sequence[str]) -> None:
        run_logged(command, arguments, self._options.out / "logs" / f"{task.name}-{command}.log", self._stop)

    def _fail(self, task: pathlib.Path, command: str, error: FetchError) -> None:
        """Note a failure; what is there of the task stays, and keeps its room."""
        self.failures[task] = f"FAILED: {command}: {error}"
        if not self._stop.is_requested():
            self._tell(f"{command}: {task.name}: FAILED: {error}")
        if (self._archives / _tarball_of(task)).exists() or task.exists() or self._is_begun(task):
            self._held += 1
        else:
            self._room.release()

    def _is_begun(self, task: pathlib.Path) -> bool:
        return any(self._archives.glob(f".hear-cacophony-download/{_tarball_of(task)}/*"))

    def _is_settled(self, task: pathlib.Path) -> bool:
        """Whether all embeddings of a task are there."""
        return all(job.is_done(Phase.EMBED) for job in self._jobs if job.task == task)

    def _is_prepared(self, task: pathlib.Path) -> bool:
        """Whether the audio at all rates is there: what it is made from goes last."""
        rates = self._fetching.rates
        if not (task / METADATA_FILE).is_file() or not all((task / str(rate)).is_dir() for rate in rates):
            return False
        return not (task / str(PUBLISHED_RATE)).is_dir() and PUBLISHED_RATE not in rates

    def _clear(self, task: pathlib.Path, *, audio: bool = True) -> None:
        """Remove the tarball of a task, and its audio at 48 kHz, unless a model takes that later."""
        if self._fetching.keep_archives:
            return
        folder = task / str(PUBLISHED_RATE)
        if folder.is_dir() and (audio or PUBLISHED_RATE not in self._fetching.rates):
            going = folder.with_name(f"{_GOING}{folder.name}")
            folder.rename(going)
            shutil.rmtree(going)
        (self._archives / _tarball_of(task)).unlink(missing_ok=True)


def _tarball_of(task: pathlib.Path) -> str:
    return tarball_name(next(each for each in TASKS if each.directory == task.name))


def fetch_weights(options: Options, stop: Stop, tell: Callable[[str], None]) -> None:
    """Bring the weights of the models that are not there.

    Raises:
        FetchError: some did not come.
    """
    absent = [model for model in options.models if pathlib.Path(model.file).is_absolute()]
    absent = [model for model in absent if not pathlib.Path(model.file).exists()]
    if not absent or options.fetching is None:
        return
    folder = pathlib.Path(absent[0].file).parent
    stages = [str(model.stage.number) for model in absent if model.stage is not None]
    peers = [model.title for model in absent if model.stage is None]
    arguments = ["weights", "--stage", stages[0] if len(stages) == 1 else "all"] if stages else []
    arguments = [*arguments[:1], *(["peers", *peers] if peers else []), *arguments[1:], "--to", str(folder)]
    tell(f"download: {', '.join(model.title for model in absent)} to {folder}")
    run_logged(
        "download", [*arguments, *_mirror(options.fetching)], options.out / "logs" / "weights-download.log", stop
    )


def run_logged(command: str, arguments: Sequence[str], log: pathlib.Path, stop: Stop) -> None:
    """Run one of the commands, with its output in a log.

    Raises:
        FetchError: it failed, or was to stop.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        offset = output.tell()
        whole = [sys.executable, "-m", "hear_tasks.cli", command, *arguments]
        output.write(("=== " + " ".join(map(repr, whole)) + "\n\n").encode())
        output.flush()
        status = run_bound(whole, stop, gently=True, stdout=output, stderr=subprocess.STDOUT)
    if stop.is_requested():
        raise FetchError(stop.reason)
    if status:
        raise FetchError(f"{summary(last_lines(log, offset))} (see {log})")


def _mirror(fetching: Fetching) -> list[str]:
    return ["--mirror", fetching.mirror] if fetching.mirror else []
