"""What fetching and running takes on the disk at most, told before it begins."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections.abc import Mapping, Sequence

from hear_cacophony.progress import clock
from hear_tasks.registry import EmbeddingType, HearTask
from hear_tasks.reproduce.options import Options

PUBLISHED_RATE = 48_000
"""Sample rate in Hz of the tarballs."""

AT_A_TIME = 2
"""Tasks whose tarballs or 48 kHz audio are there at a time: one that is prepared or embedded, one that comes."""

_SAMPLE_BYTES = 2
_WAV_HEADER_BYTES = 44
_MOST_UNPACKED = 20
"""Bytes of audio that a byte of a tarball makes, at most; small tarballs may hold other clips than the benchmark's."""

_MEAN_SECONDS = 7.7
"""Of the clips of FSD50K, the one task whose clips differ: 108.3 hours."""

_EMBEDDING_BYTES = 4 * 1024
"""Of the widest embedding of the table's models."""

_TIMESTAMPS_PER_SECOND = 25
_OTHER_BYTES = 500_000_000
"""Logs, predictors, scores, the report."""

_USUAL_SPEED = 20e6
"""Bytes per second, for a first idea of the time."""


@dataclasses.dataclass(frozen=True)
class Room:
    """Bytes that a run takes on the disk, at most.

    Attributes:
        tarballs: of all tasks that are to be fetched.
        audio: what stays of all tasks.
        passing: tarballs and 48 kHz audio that are there at a time.
        embeddings: of all models, and those of a task in the making.
    """

    tarballs: int
    audio: int
    passing: int
    embeddings: int

    @property
    def peak(self) -> int:
        """All of it."""
        return self.audio + self.passing + self.embeddings + _OTHER_BYTES

    def lines(self) -> list[str]:
        """For people."""
        fetched = f"{self.tarballs / 1e9:.1f} GB of tarballs are to be fetched"
        return [
            f"the disk holds {_gigabytes(self.peak)} at most, weights aside: audio {_gigabytes(self.audio)}, tarballs "
            f"and 48 kHz audio of {AT_A_TIME} tasks at a time {_gigabytes(self.passing)}, embeddings "
            f"{_gigabytes(self.embeddings)}, all else {_gigabytes(_OTHER_BYTES)}",
            f"{fetched}: {clock(self.tarballs / _USUAL_SPEED)} at {_USUAL_SPEED / 1e6:.0f} MB/s; how long embedding "
            "and predicting take is not known before it is measured",
        ]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def audio_seconds(task: HearTask) -> float:
    """Seconds of audio in a task."""
    return task.clips * (_MEAN_SECONDS if task.seconds is None else task.seconds)


def estimate_room(sizes: Mapping[HearTask, int], options: Options) -> Room:
    """What fetching and running tasks takes.

    Args:
        sizes: bytes of the tarball of each, in the order in which they are fetched; 0 where nobody tells, which
            counts as much as its audio.
        options: of the run.
    """
    assert options.fetching is not None
    keep, rates = options.fetching.keep_archives, set(options.fetching.rates)
    published = {task: _published_bytes(task, size) for task, size in sizes.items()}
    sizes = {task: size or published[task] for task, size in sizes.items()}
    stays = keep or (options.fetching.alone and PUBLISHED_RATE in rates)
    share = sum(rates | {PUBLISHED_RATE} if stays else rates - {PUBLISHED_RATE}) / PUBLISHED_RATE
    audio = sum(round(each * share) for each in published.values()) + (sum(sizes.values()) if keep else 0)
    passing = [0 if keep else size + (0 if stays else published[task]) for task, size in sizes.items()]
    together = [sum(some) for some in itertools.pairwise(passing)] or passing or [0]
    embeddings = [len(options.models) * _embedding_bytes(task) for task in sizes]
    return Room(sum(sizes.values()), audio, max(together), sum(embeddings) + max(embeddings, default=0))


def _published_bytes(task: HearTask, tarball: int) -> int:
    """Bytes of the 48 kHz audio of a task."""
    samples = audio_seconds(task) * PUBLISHED_RATE
    whole = round(samples * _SAMPLE_BYTES) + _WAV_HEADER_BYTES * task.clips
    return min(whole, _MOST_UNPACKED * tarball) if tarball else whole


def _embedding_bytes(task: HearTask) -> int:
    if task.embedding_type == EmbeddingType.EVENT:
        return round(audio_seconds(task) * _TIMESTAMPS_PER_SECOND) * _EMBEDDING_BYTES
    return task.clips * _EMBEDDING_BYTES


def check_room(room: Room, there: int, options: Options) -> None:
    """Raise ValueError where the disk will not do.

    Args:
        room: what is needed.
        there: bytes of it that are there already.
        options: of the run.
    """
    free = shutil.disk_usage(options.tasks_dir).free
    if room.peak - there > free:
        needed = _gigabytes(room.peak - there)
        raise ValueError(
            f"{options.tasks_dir}: no room: {needed} more are needed at most, {_gigabytes(free)} are free; make room, "
            "or take fewer tasks at a time: --task"
        )


def order_tasks(sizes: Mapping[HearTask, int]) -> Sequence[HearTask]:
    """The smallest first, so that there is something to embed soon; then large and small in turn, for want of room."""
    ascending = sorted(sizes, key=lambda task: sizes[task])
    half = (len(ascending) + 1) // 2
    pairs = itertools.zip_longest(ascending[:half], ascending[half:])
    return [task for pair in pairs for task in pair if task is not None]
