"""Jobs on slots: predicted when they are embedded, and never two at a time on one card or core."""

from __future__ import annotations

import pathlib
import threading
import time

import pytest

from hear_tasks.reproduce import hardware, schedule
from hear_tasks.reproduce.hardware import Slot
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.models import RunModel
from hear_tasks.reproduce.options import Phase
from hear_tasks.reproduce.run_job import Stop

MODELS = tuple(RunModel(name, name, name, "") for name in ("first", "second"))


def make_jobs(folder: pathlib.Path, tasks="abc") -> list[Job]:
    return [
        Job(model, folder / task, folder / model.name, folder, size, {})
        for size, task in enumerate(tasks, 1)
        for model in MODELS
    ]


class Work:
    """Takes the place of `run_job`: notes what runs, and with what beside it."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds, self.events, self.lock = seconds, [], threading.Lock()
        self.running: dict[int, frozenset[str]] = {}

    def __call__(self, job, phase, slot, *_) -> str:
        with self.lock:
            assert all(slot.units.isdisjoint(others) for others in self.running.values())
            self.running[id(job), phase] = slot.units
            self.events.append((str(phase), job.task.name, job.model.name))
        time.sleep(self.seconds)
        with self.lock:
            del self.running[id(job), phase]
        return "done"

    def place(self, *event: str) -> int:
        return self.events.index(event)


class Tasks:
    """Brings tasks, the next one when the one before is released."""

    def __init__(self, folder, tasks, work) -> None:
        self.folder, self.tasks, self.work = folder, tasks, work
        self.failures = {folder / "c": "FAILED: download: no network"}
        self.released: list[str] = []
        self.free = threading.Semaphore(1)

    def ready(self):
        for task in self.tasks:
            assert self.free.acquire(timeout=20)
            self.work.events.append(("came", task, ""))
            yield self.folder / task

    def release(self, task) -> None:
        self.released.append(task.name)
        self.free.release()


def slots_of(machine: str) -> dict[Phase, list[Slot]]:
    if machine == "two cards":
        slots = [Slot(f"gpu {i}", str(i), None, 2, frozenset({f"card {i}"})) for i in range(2)]
        return {Phase.EMBED: slots, Phase.PREDICT: slots}
    cores = [Slot(f"cpu {i}", None, None, 1, frozenset({f"core {i}"})) for i in range(2)]
    return {Phase.EMBED: [Slot("cpu 0", None, None, 2, frozenset({"core 0", "core 1"}))], Phase.PREDICT: cores}


@pytest.mark.parametrize("machine", ["two cores", "two cards"])
def test_what_is_embedded_is_predicted_while_others_come(machine, tmp_path, monkeypatch):
    work = Work()
    monkeypatch.setattr(schedule, "run_job", work)
    supply = Tasks(tmp_path, "ab", work)
    told: list[str] = []
    jobs = make_jobs(tmp_path)
    unnoted = schedule.run_jobs(jobs, slots_of(machine), None, Stop(), told.append, supply)
    assert supply.released == ["a", "b"]
    assert set(unnoted) == {job.name for job in jobs if job.task.name == "c"}
    for task in "ab":
        for model in ("first", "second"):
            assert work.place("embed", task, model) < work.place("predict", task, model)
    assert work.place("predict", "a", "first") < work.place("predict", "b", "first")
    assert len([event for event in work.events if event[0] != "came"]) == 8
    assert len(told) == 8


def test_without_tasks_that_come_the_largest_are_first_in_both_phases(tmp_path, monkeypatch):
    work = Work()
    monkeypatch.setattr(schedule, "run_job", work)
    jobs = sorted(make_jobs(tmp_path), key=lambda job: -job.size)
    assert schedule.run_jobs(jobs, slots_of("two cores"), None, Stop(), lambda _: None) == {}
    assert [event[1] for event in work.events] == list("ccbbaaccbbaa")
    assert [event[0] for event in work.events] == ["embed"] * 6 + ["predict"] * 6


def test_a_failure_ends_its_job_alone_and_a_stop_ends_all(tmp_path, monkeypatch):
    stop = Stop()

    def fail(job, phase, *_):
        if job.task.name == "b":
            stop.request("enough", 1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schedule, "run_job", fail)
    jobs = make_jobs(tmp_path)
    unnoted = schedule.run_jobs(jobs, slots_of("two cores"), None, stop, lambda _: None)
    assert set(unnoted) == {"first-a", "second-a", "first-b"}


def test_slots_of_both_phases_name_the_same_cards_and_cores(monkeypatch):
    class Options:
        devices = None

    monkeypatch.setattr(hardware, "granted_cores", lambda: (32, []))
    monkeypatch.setattr(hardware, "visible_cards", list)
    embed, predict = (hardware.make_slots(phase, Options, 40) for phase in (Phase.EMBED, Phase.PREDICT))
    assert [len(slot.units) for slot in embed] == [16, 16]
    assert embed[0].units == frozenset().union(*(slot.units for slot in predict[:16]))
    monkeypatch.setattr(hardware, "visible_cards", lambda: ["0", "1"])
    embed, predict = (hardware.make_slots(phase, Options, 40) for phase in (Phase.EMBED, Phase.PREDICT))
    assert [slot.units for slot in embed] == [slot.units for slot in predict] == [{"card 0"}, {"card 1"}]
