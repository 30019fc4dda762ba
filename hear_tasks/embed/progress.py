"""Progress through a task: clips, hours of audio, speed in hours per hour, and the time left."""

from __future__ import annotations

from hear_cacophony.progress import ProgressLine, clock


class TaskProgress(ProgressLine):
    """How much of the clips and of the audio of a task is done."""

    def __init__(self, title: str, clips: int, samples: int, rate: int) -> None:
        super().__init__()
        self._title, self._total_clips, self._total_samples, self._rate = title, clips, samples, rate
        self._clips = 0.0
        self._samples = 0
        self._earlier: int | None = None

    def advance(self, clips: float, samples: int) -> None:
        """So many more clips and samples are done; the first call tells what earlier runs have done."""
        self._clips += clips
        self._samples += samples
        if self._earlier is None:
            self._earlier = self._samples
        self.tick()

    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""
        hours = 3600 * self._rate
        done, total = self._samples / hours, self._total_samples / hours
        speed = (self._samples - (self._earlier or 0)) / hours / max(seconds, 1e-9) * 3600
        left = f"{clock((total - done) / speed * 3600)} left" if speed > 0 else "time left unknown"
        part = self._samples / self._total_samples
        return (
            f"{self._title}: {part:4.0%}, {self._clips:.0f} of {self._total_clips} clips, "
            f"{done:.2f} of {total:.2f} h of audio, {speed:.0f} h/h, {left}"
        )
