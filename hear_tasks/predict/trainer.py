"""The trainings of a task, one after the other or side by side, each told of and kept as soon as it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from hear_cacophony.progress import clock
from hear_tasks.predict.stacked_training import form_of, train_stacked
from hear_tasks.predict.task import Task
from hear_tasks.predict.training import Job, Training, train
from hear_tasks.predict.work_folder import WorkFolder


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
        trainings = dict(zip(stack, train_stacked(self._task, list(stack.values())), strict=True))
        for number, training in trainings.items():
            self._keep(number, stack[number], training)
        return trainings
