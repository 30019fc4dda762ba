"""Tasks are fetched and prepared one after the other, each while those before it are embedded and predicted.

A tarball goes when it is unpacked, audio at 48 kHz and at all rates but the lowest as soon as nothing needs it any
more: what this itself has brought, and nothing else. What is there, and what is noted beside it, tell how far a killed
run has come.
"""

from __future__ import annotations

import contextlib
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from hear_cacophony.files.lock import BusyError, locked_folder
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.made import PUT_ASIDE, Made
from hear_tasks.reproduce.not_come import forget, note, weights_words, without_weights
from hear_tasks.reproduce.options import PUBLISHED_RATE, Fetching, Options, Phase
from hear_tasks.reproduce.passage import Passage
from hear_tasks.reproduce.record import POLL_SECONDS
from hear_tasks.reproduce.room import TARBALLS, bytes_there, check_room, list_tarballs, plan_tasks
from hear_tasks.reproduce.run_job import Stop, last_lines, run_bound, summary

_SAYS = "hear-cacophony: "
"""Before the first line of what a command ends with."""


class FetchError(OSError):
    """A task could not be fetched or prepared."""


class TaskFetcher:
    """Brings the tasks of a run.

    Args:
        options: of the run.
        jobs: all of them.
        stop: ends the work.
        tell: takes remarks; called from several threads.

    Attributes:
        failures: why tasks did not come.
    """

    def __init__(self, options: Options, jobs: Sequence[Job], stop: Stop, tell: Callable[[str], None]) -> None:
        assert options.fetching is not None
        self._options, self._fetching, self._jobs = options, options.fetching, jobs
        self._stop, self._tell = stop, tell
        self._archives = options.tasks_dir / TARBALLS
        self._passage = Passage({}, self._remove, stop)
        self._fetched: queue.SimpleQueue[pathlib.Path | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[pathlib.Path | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._order: list[pathlib.Path] = []
        self._lock = contextlib.ExitStack()
        self.failures: dict[pathlib.Path, str] = {}

    def plan(self) -> None:
        """Tell what all of it takes; no other run may fetch to the folder of the tasks until all of them have come.

        Raises:
            BusyError: another run does.
            OSError: the list of the tarballs cannot be had.
            ValueError: there is no room.
        """
        with contextlib.ExitStack() as lock:
            try:
                lock.enter_context(locked_folder(self._archives, self._tell))
            except BusyError:
                told = f"{self._options.tasks_dir}: another run fetches tasks to it; wait for its end, or stop it"
                raise BusyError(told) from None
            self._plan()
            self._lock = lock.pop_all()

    def _plan(self) -> None:
        for left in self._options.tasks_dir.glob(f"*/{PUT_ASIDE}*"):
            shutil.rmtree(left)
        self._order, room = plan_tasks(self._options, list_tarballs(self._options))
        for line in room.lines():
            self._tell(line)
        folder = self._options.tasks_dir
        settled = [task for task in room.stays if self.is_settled(folder / task.directory)]
        check_room(room, bytes_there(room, settled, self._archives, self._options), self._options)
        passing = {folder / task.directory: size for task, size in room.passing.items()}
        self._passage = Passage(passing, self._remove, self._stop)

    def remove_used(self, tasks: Sequence[pathlib.Path]) -> None:
        """What goes of these tasks goes, however far they have come."""
        for task in tasks:
            try:
                self._clear(self._made(task))
            except OSError as error:
                self._tell(f"{task.name}: what came of it could not be removed: {error}")

    def start(self, jobs: Sequence[Job]) -> None:
        """Begin to bring the tasks of these jobs."""
        self._jobs = jobs
        for work in (self._fetch_all, self._prepare_all):
            self._threads.append(threading.Thread(target=work, name="fetch", daemon=True))
            self._threads[-1].start()

    def ready(self) -> Iterator[pathlib.Path]:
        """The tasks that are to be embedded, as they become ready; to be released when that is done."""
        while (task := self._next(self._ready)) is not None:
            yield task
        for thread in self._threads:
            thread.join()
        self._lock.close()

    def release(self, task: pathlib.Path) -> None:
        """A task is embedded, as far as it can be: audio that nothing needs any more goes."""
        try:
            self._made(task).remove_audio(self._fetching.going)
        except OSError as error:
            self._tell(f"{task.name}: its audio could not be removed: {error}")
        self._passage.leave(task)

    def _made(self, task: pathlib.Path) -> Made:
        return Made(task, self._archives)

    def _next(self, waiting: queue.SimpleQueue[pathlib.Path | None]) -> pathlib.Path | None:
        while not self._stop.is_requested():
            with contextlib.suppress(queue.Empty):
                return waiting.get(timeout=POLL_SECONDS)
        return None

    # In the first thread

    def _fetch_all(self) -> None:
        for number, task in enumerate(self._order, 1):
            if not self._passage.enter(task):
                break
            self._fetch(task, f"{number} of {len(self._order)}: {task.name}")
        self._fetched.put(None)

    def _fetch(self, task: pathlib.Path, title: str) -> None:
        made = self._made(task)
        try:
            if self.is_settled(task):
                self._clear(made)
                self._passage.leave(task)
                return
            if not made.has_whole(self._fetching.rates) and not (task / str(PUBLISHED_RATE)).is_dir():
                made.will_fetch()
                places = ["tasks", task.name, "--to", str(self._archives)]
                self._run(task, "download", [*places, *_mirror(self._fetching)])
                self._tell(f"download {title}: it came")
            self._fetched.put(task)
        except OSError as error:
            self._fail(task, "download", error)

    # In the second thread

    def _prepare_all(self) -> None:
        while (task := self._next(self._fetched)) is not None:
            try:
                self._prepare(task)
            except OSError as error:
                self._fail(task, "prepare", error)
            else:
                forget(self._options.out, task.name)
                self._ready.put(task)
        self._ready.put(None)

    def _prepare(self, task: pathlib.Path) -> None:
        made = self._made(task)
        rates = self._fetching.rates
        if not made.has_whole(rates):
            if not (task / str(PUBLISHED_RATE)).is_dir():
                self._make(task, made, made.tarball, [PUBLISHED_RATE])
            self._clear_tarball(made)
            self._make(task, made, task, rates)
            made.is_whole(rates)
            self._tell(f"prepare: {task.name}: done")
        self._clear_tarball(made)
        if PUBLISHED_RATE not in self._fetching.staying | self._fetching.going:
            made.remove_audio([PUBLISHED_RATE])
        if not self._fetching.going:
            self._passage.leave(task)

    def _make(self, task: pathlib.Path, made: Made, source: pathlib.Path, rates: Sequence[int]) -> None:
        """Make audio of a tarball, or of other audio."""
        made.will_make(rates)
        told = ",".join(map(str, rates))
        self._run(task, "prepare", [str(source), "--out", str(self._options.tasks_dir), "--rates", told])

    # In both

    def _run(self, task: pathlib.Path, command: str, arguments: Sequence[str]) -> None:
        run_logged(command, arguments, self._options.out / "logs" / f"{task.name}-{command}.log", self._stop)

    def _fail(self, task: pathlib.Path, command: str, error: OSError) -> None:
        """Note a failure; what is there of the task stays for the next call, or until another task needs its room."""
        self.failures[task] = f"FAILED: {command}: {error}"
        if not self._stop.is_requested():
            self._tell(f"{command}: {task.name}: FAILED: {error}")
            with contextlib.suppress(OSError):  # a full disk; whoever reports in this process has the failure itself
                note(self._options.out, task.name, self.failures[task])
            self._passage.fail(task)

    def _remove(self, task: pathlib.Path) -> None:
        """Remove what was brought of a task that has failed."""
        self._tell(f"{task.name}: what came of it is removed, as the next task needs the room")
        self.remove_used([task])

    def is_settled(self, task: pathlib.Path) -> bool:
        """Whether all embeddings of a task are there."""
        return all(job.is_done(Phase.EMBED) for job in self._jobs if job.task == task)

    def _clear(self, made: Made) -> None:
        """Remove what goes of a task, whatever stage it has come to."""
        self._clear_tarball(made)
        made.remove_audio(self._fetching.passing | ({PUBLISHED_RATE} - self._fetching.staying))

    def _clear_tarball(self, made: Made) -> None:
        if not self._fetching.keep_archives:
            made.remove_tarball()


def fetch_weights(options: Options, stop: Stop, tell: Callable[[str], None]) -> None:
    """Bring the weights of the models that are not there; why some did not come is noted.

    Raises:
        FetchError: they did not come, and nothing is to be run without them: of the published table, all of them.
    """
    assert options.fetching is not None
    failures = []
    for model in without_weights(options.models):
        folder = pathlib.Path(model.file).parent
        tell(f"download: {model.title} to {folder}")
        arguments = [*weights_words(model), "--to", str(folder), *_mirror(options.fetching)]
        try:
            run_logged("download", arguments, options.out / "logs" / f"{model.name}-download.log", stop)
        except FetchError as error:
            if stop.is_requested():
                raise
            tell(f"download: {model.title}: FAILED: {error}")
            if without_weights([model]):  # and not the tokenizer alone, which HEAR does not need
                note(options.out, model.name, str(error))
                failures.append(str(error))
        else:
            forget(options.out, model.name)
    if failures and (not options.table or len(failures) == len(options.models)):
        raise FetchError("\n".join(failures))


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
        lines = last_lines(log, offset)
        said = [line.removeprefix(_SAYS) for line in lines if line.startswith(_SAYS)]  # and then of other files
        raise FetchError(f"{(said or [summary(lines)])[0]} (see {log})")


def _mirror(fetching: Fetching) -> list[str]:
    return ["--mirror", fetching.mirror] if fetching.mirror else []
