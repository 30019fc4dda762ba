"""A line for each training of a task: score, epochs, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from hear_tasks.predict.training import Training


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
        self._tell(f"{name}: {_describe(training)}, {60 * training.minutes:.1f} s, {_clock(left)} left")
        if training.ended_without_score:
            self._tell(
                f"{name}: a validation gave no score (NaN), which ended the training, as it does in heareval: "
                "no event was found, or a label has no clip or no other in the split"
            )


def _describe(training: Training) -> str:
    return f"score {training.score:.4f} in epoch {training.epoch + 1} of {training.epochs}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
