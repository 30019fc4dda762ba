"""The trainings of a task, one after the other or side by side, each kept as soon as it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hear_tasks.predict.progress import Progress
from hear_tasks.predict.stacked_training import form_of, train_stacked
from hear_tasks.predict.task import Task
from hear_tasks.predict.training import Job, Training, train
from hear_tasks.predict.work_folder import WorkFolder


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
