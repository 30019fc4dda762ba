"""What fetching and running takes on the disk at most, told before it begins."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence

from hear_cacophony.progress import clock
from hear_tasks.registry import EmbeddingType, HearTask
from hear_tasks.reproduce.made import Made
from hear_tasks.reproduce.options import PUBLISHED_RATE, Options
from hear_tasks.reproduce.passage import AT_A_TIME, most_beside

_SAMPLE_BYTES = 2
_WAV_HEADER_BYTES = 44
_MOST_UNPACKED = 20
"""Bytes of audio that a byte of a tarball makes, at most; small tarballs may hold other clips than the benchmark's."""

_MEAN_SECONDS = 7.7
"""Of the clips of FSD50K, the one task whose clips differ: 108.3 hours."""

_EMBEDDING_BYTES = 4 * 1024
"""Of the widest embedding of the table's models."""

_TIMESTAMPS_PER_SECOND = 25
OTHER_BYTES = 500_000_000
"""Logs, predictors, scores, the report."""

_USUAL_SPEED = 20e6
"""Bytes per second, for a first idea of the time."""


@dataclasses.dataclass(frozen=True)
class Room:
    """Bytes that a run takes on the disk.

    Attributes:
        tarballs: of all tasks that are to be fetched.
        audio: what stays of all tasks.
        embeddings: of all models, and as much again while they are made.
        stays: of each task, in the order in which they are fetched.
        passing: of what goes again of each task, in the order in which they are fetched.
        peak: all that is there at a time, at most.
    """

    tarballs: int
    audio: int
    embeddings: int
    stays: Mapping[HearTask, int]
    passing: Mapping[HearTask, int]
    peak: int

    def lines(self) -> list[str]:
        """For people."""
        fetched = f"{self.tarballs / 1e9:.1f} GB of tarballs are to be fetched"
        stays = f"audio that stays {_gigabytes(self.audio)}, embeddings {_gigabytes(self.embeddings)}"
        return [
            f"the disk holds {_gigabytes(self.peak)} at most, weights aside: {stays}, all else "
            f"{_gigabytes(OTHER_BYTES)}; and on the way tarballs, and audio that goes, of {AT_A_TIME} tasks at a time",
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
    fetching = options.fetching
    published = {task: _published_bytes(task, size) for task, size in sizes.items()}
    sizes = {task: size or published[task] for task, size in sizes.items()}
    audio = {task: _at_rates(published[task], fetching.staying) for task in sizes}
    if fetching.keep_archives:
        audio = {task: size + sizes[task] for task, size in audio.items()}
    embeddings = {task: 2 * len(options.models) * _embedding_bytes(task) for task in sizes}
    passing = {task: _passing(sizes[task], published[task], options) for task in sizes}
    stays = {task: audio[task] + embeddings[task] for task in sizes}
    in_turn = list(passing.values())
    peaks = [each + in_turn[i] + most_beside(in_turn, i) for i, each in enumerate(itertools.accumulate(stays.values()))]
    peak = max(peaks, default=0) + OTHER_BYTES
    return Room(sum(sizes.values()), sum(audio.values()), sum(embeddings.values()), stays, passing, peak)


def _passing(tarball: int, published: int, options: Options) -> int:
    """Bytes of a task that go again: of the tarball while it is unpacked, or then of the audio."""
    assert options.fetching is not None
    if options.fetching.keep_archives:
        return 0
    going = options.fetching.going
    source = 0 if PUBLISHED_RATE in options.fetching.staying else published
    return max(tarball + source, source + _at_rates(published, going - {PUBLISHED_RATE}))


def _at_rates(published: int, rates: Iterable[int]) -> int:
    return sum(round(published * rate / PUBLISHED_RATE) for rate in rates)


def bytes_there(room: Room, settled: Collection[HearTask], archives: pathlib.Path, options: Options) -> int:
    """Room that earlier calls have taken already, about.

    Args:
        room: all that is needed.
        settled: tasks that are embedded, of which nothing more comes.
        archives: folder of the tarballs.
        options: of the run.
    """
    assert options.fetching is not None
    there = sum(room.stays[task] for task in settled)
    for task in room.stays.keys() - set(settled):
        made = Made(options.tasks_dir / task.directory, archives)
        tarball = made.tarball.stat().st_size if made.tarball.exists() else 0
        whole = [rate for rate in {*options.fetching.rates, PUBLISHED_RATE} if made.has_whole([rate])]
        there += tarball + _at_rates(_published_bytes(task, tarball), whole)
    return there


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
    """A small one first, so that there is something to embed soon; then the largest, as long as little else is there.

    Small and large are fetched in turn, so that no two large ones are there at a time.
    """
    ascending = sorted(sizes, key=lambda task: sizes[task])
    half = (len(ascending) + 1) // 2
    pairs = itertools.zip_longest(ascending[:half], reversed(ascending[half:]))
    return [task for pair in pairs for task in pair if task is not None]
