"""What became of each attempt at a phase of a job, and where the phase is now.

A record is a file of its own for each phase of each job, which is written by the process that holds the
phase's lock alone, so that processes on several nodes need nothing but the folder in common.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import enum
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.json_file import read_json
from hear_cacophony.files.lock import BusyError, is_held, lock_file
from hear_tasks.embed import is_busy
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.options import Phase

POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 3.0
"""Time before a wait is worth telling: whoever looks whether a lock is held, holds it for a moment."""


class State(enum.StrEnum):
    """Where a phase of a job is."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"
    TO_DO = "to do"


class Outcome(enum.StrEnum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclasses.dataclass
class Attempt:
    """One attempt at a phase.

    Attributes:
        started: local time, ISO 8601.
        host: name of the machine.
        device: which card, or share of the cores.
        threads: CPU threads that it may use.
        job: number of the Slurm job, "" elsewhere.
        command: what was run.
        outcome: how it ended, None while it runs or where it was killed without a word.
        seconds: how long it took.
        cause: why it failed: the last lines of its log.
    """

    started: str
    host: str
    device: str
    threads: int
    job: str
    command: list[str]
    outcome: Outcome | None = None
    seconds: float | None = None
    cause: list[str] = dataclasses.field(default_factory=list)


def now() -> str:
    """Local time, ISO 8601."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def slurm_job() -> str:
    """The Slurm job that this process is part of, as squeue shows it; "" outside of any."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def begin(job: Job, phase: Phase, device: str, threads: int, command: list[str]) -> Attempt:
    """Note that an attempt begins."""
    attempt = Attempt(now(), socket.gethostname(), device, threads, slurm_job(), command)
    write_json(job.record(phase), {"attempts": [*_as_json(read_attempts(job, phase)), *_as_json([attempt])]})
    return attempt


def end(job: Job, phase: Phase, attempt: Attempt) -> None:
    """Note how the attempt that was begun last has ended."""
    earlier = read_attempts(job, phase)[:-1]
    write_json(job.record(phase), {"attempts": _as_json([*earlier, attempt])})


def _as_json(attempts: list[Attempt]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(attempt) for attempt in attempts]


def read_attempts(job: Job, phase: Phase) -> list[Attempt]:
    """All attempts at a phase, oldest first; [] where there was none, or their record is damaged.

    Where the run was killed after a phase was done and before that was noted, heareval's marks complete the record.
    """
    try:
        content = read_json(job.record(phase))
        attempts = [
            Attempt(**{**each, "outcome": Outcome(each["outcome"]) if each["outcome"] else None})
            for each in content["attempts"]
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    if attempts and attempts[-1].outcome is None and job.is_done(phase):
        attempts[-1].outcome = Outcome.DONE
        attempts[-1].seconds = job.noted_seconds(phase)
    return attempts


def read_state(job: Job, phase: Phase) -> tuple[State, list[str]]:
    """Where a phase is, and why where it failed or was stopped."""
    if job.is_done(phase):
        return State.DONE, []
    if is_locked(job, phase):
        return State.RUNNING, []
    attempts = read_attempts(job, phase)
    if not attempts:
        return State.TO_DO, []
    last = attempts[-1]
    if last.outcome is Outcome.FAILED:
        return State.FAILED, last.cause
    if last.outcome is Outcome.INTERRUPTED:
        return State.STOPPED, last.cause
    if last.outcome is Outcome.DONE:
        return State.TO_DO, []  # its results have been removed since
    where = f"on {last.host}{f' (Slurm job {last.job})' if last.job else ''}"
    return State.STOPPED, [
        f"killed without a word, {where}, begun {last.started}: out of memory, a time limit, or a node that failed? "
        f"See {job.log(phase)}"
    ]


def is_locked(job: Job, phase: Phase) -> bool:
    """Whether a process runs a phase of a job; of a run, or an embedding by itself."""
    return (phase is Phase.EMBED and is_busy(job.target)) or is_held(job.lock(phase))


@contextlib.contextmanager
def locked(job: Job, phase: Phase, is_stopped: Callable[[], bool], tell: Callable[[str], None]) -> Iterator[int | None]:
    """Hold the lock of a phase, waiting for it where another process has it.

    The lock belongs to all processes that inherit its descriptor: where one is killed, those that it started keep
    it until they end, too. Where the file system has no locks, the work goes on without, with one remark on it.

    Yields:
        The lock's descriptor, None where the wait was stopped.
    """
    path = job.lock(phase)
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield number if _acquire(number, job, phase, is_stopped, tell) else None
    finally:
        os.close(number)


def _acquire(number: int, job: Job, phase: Phase, is_stopped: Callable[[], bool], tell: Callable[[str], None]) -> bool:
    start, told = time.monotonic(), False
    while not is_stopped():
        try:
            lock_file(number, job.lock(phase), tell)
            return True
        except BusyError:
            pass
        if not told and time.monotonic() - start > _PATIENCE_SECONDS:
            tell(f"{job.title}: another process is at its {phase} phase; waiting for that")
            told = True
        time.sleep(POLL_SECONDS)
    return False
