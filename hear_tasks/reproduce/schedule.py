"""Jobs spread over the slots of the machine, largest first; one that fails does not stop the others."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence

from hear_tasks.reproduce.hardware import Slot
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.reproduce.run_job import Stop, run_job


def run_jobs(
    jobs: Sequence[Job],
    phase: Phase,
    slots: Sequence[Slot],
    options: Options,
    stop: Stop,
    tell: Callable[[str], None],
) -> dict[str, str]:
    """Run a phase of all jobs.

    Args:
        jobs: in the order that they are begun in.
        phase: embed or predict.
        slots: as many jobs are worked on at a time.
        options: of the run.
        stop: ends the work.
        tell: takes remarks; called from several threads.

    Returns:
        By the name of a job, what kept its failure from being noted in its record, such as a full disk.
    """
    unnoted: dict[str, str] = {}
    waiting: queue.SimpleQueue[tuple[int, Job]] = queue.SimpleQueue()
    for numbered in enumerate(jobs, 1):
        waiting.put(numbered)

    def work(slot: Slot) -> None:
        if slot.cores is not None:
            os.sched_setaffinity(0, slot.cores)  # of this thread, and of the processes that it starts
        while not stop.is_requested():
            try:
                number, job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                result = run_job(job, phase, slot, options, stop, tell)
            except OSError as error:
                result = unnoted[job.name] = f"FAILED: {error}"
            tell(f"{phase} {number} of {len(jobs)}: {job.title}: {result}")

    threads = [threading.Thread(target=work, args=(slot,), name=slot.label) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return unnoted
