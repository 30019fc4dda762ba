"""The trainings of a task, one after the other or side by side, each told of and kept as soon as it has ended.

Beside the task's folder lies `.predicting-TASK`:

    lock           held by the process that works on the task
    settings       what the trainings depend on, JSON
    training-NN    a finished training, in the order of heareval, with the state of the random generators after it

A killed process loses the training that it was in.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from hear_cacophony.files.atomic_write import write_bytes
from hear_cacophony.files.json_file import read_json_object
from hear_cacophony.files.lock import locked_folder
from hear_cacophony.progress import clock
from hear_tasks.predict.same_run import list_differences
from hear_tasks.predict.stacked_training import Stack, form_of
from hear_tasks.predict.task import Task
from hear_tasks.predict.training import Job, Training, train


class WorkFolder:
    """The working folder of a task, locked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def start(self, settings: Mapping[str, Any]) -> str | None:
        """Take up the work where it was left, or begin it.

        Args:
            settings: what it depends on, for JSON. Trainings made with others are done again.

        Returns:
            Why earlier trainings are done again, "" if there were none, None if they are not.
        """
        text = json.dumps(settings)
        reason = self._difference(json.loads(text))
        if reason is not None:
            for file in self._folder.glob("*training-*"):
                file.unlink()
            write_bytes(self._folder / "settings", text.encode())
        return reason

    def _difference(self, settings: dict[str, Any]) -> str | None:
        """What differs from earlier work; "" if there was none, None if nothing does."""
        try:
            earlier = read_json_object(self._folder / "settings")
        except FileNotFoundError:
            return ""
        except ValueError:
            return "settings that are damaged"
        return ", ".join(list_differences(earlier, settings)) or None

    def take(self, number: int) -> Training | None:
        """A training that was kept, with the generators set to their state after it; None where there is none."""
        file = self._file(number)
        if not file.exists():
            return None
        content = torch.load(io.BytesIO(file.read_bytes()), weights_only=True)
        torch.set_rng_state(content["generators"]["cpu"])
        torch.cuda.set_rng_state_all(content["generators"]["cuda"])
        postprocessing = tuple((name, value) for name, value in content["training"].pop("postprocessing"))
        return Training(**content["training"], postprocessing=postprocessing)

    def keep(self, number: int, training: Training) -> None:
        """Keep a training that has just ended, with the state of the generators."""
        # Not dataclasses.asdict, which copies the tensors.
        fields = {field.name: getattr(training, field.name) for field in dataclasses.fields(training)}
        file = io.BytesIO()
        # Not without asking: cards are counted, too, where their driver is too old for torch.
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        states = {"cpu": torch.get_rng_state(), "cuda": cuda}
        torch.save({"training": fields, "generators": states}, file)
        write_bytes(self._file(number), file.getvalue())

    def _file(self, number: int) -> pathlib.Path:
        return self._folder / f"training-{number:02d}"

    def remove(self) -> None:
        """Remove the working folder."""
        shutil.rmtree(self._folder)


def working_folder(task: pathlib.Path) -> pathlib.Path:
    """Where the trainings of a task are kept, by the folder of the task."""
    return task.parent / f".predicting-{task.name}"


@contextlib.contextmanager
def open_work_folder(task: pathlib.Path, *, wait: bool = False) -> Iterator[WorkFolder]:
    """The working folder of a task, made where there is none, and locked.

    Raises:
        BusyError: another process works on the task.
    """
    folder = working_folder(task)
    with locked_folder(folder, lambda remark: print(f"predict: {remark}", file=sys.stderr, flush=True), wait=wait):
        yield WorkFolder(folder)


class Progress:
    """Tells of the trainings of a task, of which there are `total`."""

    def __init__(self, total: int, tell: Callable[[str], None]) -> None:
        self._total, self._tell = total, tell
        self._done = self._trained = 0
        self._start = time.monotonic()

    def restored(self, name: str, training: Training) -> None:
        """A training was kept by an earlier run."""
        self._done += 1
        self._tell(f"{name}: {_describe(training)}, done before")

    def finished(self, name: str, training: Training) -> None:
        """A training has ended."""
        self._done += 1
        self._trained += 1
        left = (self._total - self._done) * (time.monotonic() - self._start) / self._trained
        self._tell(f"{name}: {_describe(training)}, {60 * training.minutes:.1f} s, {clock(left)} left")
        if training.ended_without_score:
            self._tell(
                f"{name}: a validation gave no score (NaN), which ended the training, as it does in heareval: "
                "no event was found, or a label has no clip or no other in the split"
            )


def _describe(training: Training) -> str:
    return f"score {training.score:.4f} in epoch {training.epoch + 1} of {training.epochs}"


class Trainer:
    """Trains in heareval's order, from one sequence of random numbers."""

    def __init__(self, task: Task, work: WorkFolder, progress: Progress) -> None:
        self._task, self._work, self._progress = task, work, progress
        self._number = 0

    def train(self, jobs: Sequence[Job]) -> Iterator[Training]:
        """The outcomes of jobs, in their order; what was kept by an earlier run is not done again."""
        for job in jobs:
            training = self._work.take(self._number)
            if training is None:
                training = train(self._task, job)
                self._keep(self._number, job, training)
            else:
                self._progress.restored(job.name, training)
            self._number += 1
            yield training

    def _keep(self, number: int, job: Job, training: Training) -> None:
        self._work.keep(number, training)
        self._progress.finished(job.name, training)


class StackedTrainer(Trainer):
    """Trains jobs of one form together, each with random numbers of its own."""

    def train(self, jobs: Sequence[Job]) -> Iterator[Training]:
        """See `Trainer.train`. Of a stack all is kept or nothing, as sums are rounded by its size."""
        first, self._number = self._number, self._number + len(jobs)
        trainings: dict[int, Training] = {}
        for form in dict.fromkeys(map(form_of, jobs)):
            stack = {number: job for number, job in enumerate(jobs, first) if form_of(job) == form}
            trainings |= self._train_stack(stack)
        for number in range(first, self._number):
            yield trainings[number]

    def _train_stack(self, stack: dict[int, Job]) -> dict[int, Training]:
        kept = {number: self._work.take(number) for number in stack}
        whole = {number: training for number, training in kept.items() if training is not None}
        if len(whole) == len(stack):
            for number, training in whole.items():
                self._progress.restored(stack[number].name, training)
            return whole
        trainings = dict(zip(stack, Stack(self._task, list(stack.values())).train(), strict=True))
        for number, training in trainings.items():
            self._keep(number, stack[number], training)
        return trainings
