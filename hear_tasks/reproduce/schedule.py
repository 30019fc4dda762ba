"""Elements spread over the slots of the machine, largest first; one that fails does not stop the others."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence

from hear_tasks.reproduce.hardware import Slot
from hear_tasks.reproduce.jobs import Element
from hear_tasks.reproduce.options import Options, Step
from hear_tasks.reproduce.run_job import Stop, take_step


def take_steps(
    elements: Sequence[Element],
    step: Step,
    slots: Sequence[Slot],
    options: Options,
    stop: Stop,
    tell: Callable[[str], None],
) -> dict[str, str]:
    """Take a step of all elements.

    Args:
        elements: in the order that they are begun in.
        step: embed or predict.
        slots: as many elements are worked on at a time.
        options: of the run.
        stop: ends the work.
        tell: takes remarks; called from several threads.

    Returns:
        By the name of an element, what kept its failure from being noted in its record, such as a full disk.
    """
    unnoted: dict[str, str] = {}
    waiting: queue.SimpleQueue[tuple[int, Element]] = queue.SimpleQueue()
    for numbered in enumerate(elements, 1):
        waiting.put(numbered)

    def work(slot: Slot) -> None:
        if slot.cores is not None:
            os.sched_setaffinity(0, slot.cores)  # of this thread, and of the processes that it starts
        while not stop.is_requested():
            try:
                number, element = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                result = take_step(element, step, slot, options, stop, tell)
            except OSError as error:
                result = unnoted[element.name] = f"FAILED: {error}"
            tell(f"{step} {number} of {len(elements)}: {element.title}: {result}")

    threads = [threading.Thread(target=work, args=(slot,), name=slot.label) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return unnoted
