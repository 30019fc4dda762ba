"""Jobs on the slots of a machine: each is predicted when it is embedded, and no card or core has two at a time."""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from hear_tasks.reproduce.hardware import Slot
from hear_tasks.reproduce.jobs import Job, audio_bytes
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.reproduce.record import POLL_SECONDS
from hear_tasks.reproduce.run_job import Stop, run_job


class Supply(Protocol):
    """What brings tasks while others are worked on."""

    @property
    def failures(self) -> Mapping[pathlib.Path, str]:
        """Why tasks did not come."""

    def ready(self) -> Iterator[pathlib.Path]:
        """Tasks that are to be embedded, as they come."""

    def release(self, task: pathlib.Path) -> None:
        """A task is embedded, as far as it can be."""


def run_jobs(
    jobs: Sequence[Job],
    slots: Mapping[Phase, Sequence[Slot]],
    options: Options,
    stop: Stop,
    tell: Callable[[str], None],
    supply: Supply | None = None,
) -> dict[str, str]:
    """Run the phases of all jobs, spread over the slots of the machine; one that fails does not stop the others.

    Embeddings go first, the largest first, or as their tasks come; what is embedded is predicted as soon as no other
    embedding waits for a slot.

    Args:
        jobs: what is to be run.
        slots: of each phase that is to be run.
        options: of the run.
        stop: ends the work.
        tell: called from several threads.
        supply: brings the tasks; all are there without.

    Returns:
        By the name of a job, what kept its failure from being noted in its record, such as a full disk, or its task
        from coming.
    """
    schedule = _Schedule(slots, options, stop, tell, len(jobs), supply)
    threads = [
        threading.Thread(target=schedule.work, args=(slot, phase), name=f"{phase} {slot.label}")
        for phase in slots
        for slot in slots[phase]
    ]
    if supply is None:
        schedule.add(jobs, next(iter(slots)))
    for thread in threads:
        thread.start()
    try:
        if supply is not None:
            _add_as_they_come(schedule, jobs, supply)
    finally:
        schedule.close()
        for thread in threads:
            thread.join()
    failures = {} if supply is None else supply.failures
    return {job.name: failures[job.task] for job in jobs if job.task in failures} | schedule.unnoted


def _add_as_they_come(schedule: _Schedule, jobs: Sequence[Job], supply: Supply) -> None:
    embedded = [job for job in jobs if job.is_done(Phase.EMBED)]
    schedule.add(embedded, Phase.PREDICT)
    for task in supply.ready():
        size = audio_bytes(task)  # which nobody knew before it came
        of_task = [job for job in jobs if job.task == task and job not in embedded]
        schedule.add([dataclasses.replace(job, size=size) for job in of_task], Phase.EMBED)


class _Schedule:
    """Which job is begun next.

    Args:
        slots, options, stop, tell, supply: as of `run_jobs`.
        total: number of jobs.

    Attributes:
        unnoted: failures that could not be noted, by the name of the job.
    """

    def __init__(
        self,
        slots: Mapping[Phase, Sequence[Slot]],
        options: Options,
        stop: Stop,
        tell: Callable[[str], None],
        total: int,
        supply: Supply | None,
    ) -> None:
        self._phases, self._options, self._stop, self._tell = list(slots), options, stop, tell
        self._total, self._supply = total, supply
        self._more = supply is not None
        self._changed = threading.Condition()
        self._waiting: dict[Phase, list[Job]] = {phase: [] for phase in slots}
        self._running: collections.Counter[Phase] = collections.Counter()
        self._begun: collections.Counter[Phase] = collections.Counter()
        self._to_embed: collections.Counter[pathlib.Path] = collections.Counter()
        self._used: set[str] = set()
        self.unnoted: dict[str, str] = {}

    def add(self, jobs: Sequence[Job], phase: Phase) -> None:
        """Add jobs whose inputs are there; nothing where the phase is not to be run."""
        if phase not in self._waiting:
            return
        with self._changed:
            self._waiting[phase] += jobs
            if phase is Phase.EMBED:
                self._to_embed.update(job.task for job in jobs)
            self._changed.notify_all()

    def close(self) -> None:
        """No more tasks will come."""
        with self._changed:
            self._more = False
            self._changed.notify_all()

    def work(self, slot: Slot, phase: Phase) -> None:
        """Run jobs in a slot, until there will be no more of the phase."""
        if slot.cores is not None:
            os.sched_setaffinity(0, slot.cores)  # of this thread, and of the processes that it starts
        while (taken := self._take(slot, phase)) is not None:
            number, job = taken
            try:
                result = run_job(job, phase, slot, self._options, self._stop, self._tell)
                self._tell(f"{phase} {number} of {self._total}: {job.title}: {result}")
            except OSError as error:
                self.unnoted[job.name] = f"FAILED: {error}"
                self._tell(f"{phase} {number} of {self._total}: {job.title}: FAILED: {error}")
            finally:
                self._end(slot, phase, job)

    def _take(self, slot: Slot, phase: Phase) -> tuple[int, Job] | None:
        earlier = self._phases[: self._phases.index(phase)]
        with self._changed:
            while not self._stop.is_requested():
                is_first = not any(self._waiting[each] for each in earlier)  # what is embedded makes room for the next
                if self._waiting[phase] and is_first and self._used.isdisjoint(slot.units):
                    return self._begin(slot, phase)
                is_last = not self._more and not any(self._waiting[each] or self._running[each] for each in earlier)
                if not self._waiting[phase] and is_last:
                    return None
                self._changed.wait(POLL_SECONDS)  # the stop tells nobody
        return None

    def _begin(self, slot: Slot, phase: Phase) -> tuple[int, Job]:
        waiting = self._waiting[phase]
        job = waiting[0]
        if phase is Phase.PREDICT:  # while tasks come, none is to wait long for a slot; then no long one is to be last
            job = (min if self._more else max)(waiting, key=lambda each: each.size)
        waiting.remove(job)
        self._used |= slot.units
        self._running[phase] += 1
        self._begun[phase] += 1
        return self._begun[phase], job

    def _end(self, slot: Slot, phase: Phase, job: Job) -> None:
        with self._changed:
            self._used -= slot.units
            self._running[phase] -= 1
            if phase is Phase.EMBED:
                self._to_embed[job.task] -= 1
                if Phase.PREDICT in self._waiting:
                    self._waiting[Phase.PREDICT].append(job)
            is_embedded = phase is Phase.EMBED and not self._to_embed[job.task]
            self._changed.notify_all()
        if self._supply is not None and is_embedded and not self._stop.is_requested():
            self._supply.release(job.task)
