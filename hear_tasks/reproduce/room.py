"""What fetching and running takes on the disk at most, and about in time, told before it begins."""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence

from hear_cacophony.progress import clock
from hear_tasks.download import TarballSize, tarball_sizes
from hear_tasks.registry import TASKS, EmbeddingType, HearTask
from hear_tasks.reproduce.made import Made
from hear_tasks.reproduce.options import PUBLISHED_RATE, Options
from hear_tasks.reproduce.passage import AT_A_TIME, most_beside

TARBALLS = "tarballs"
"""The folder in that of the tasks for what is fetched."""

_SAMPLE_BYTES = 2
_MOST_UNPACKED = 20
"""Bytes of audio that a byte of a tarball makes, at most, where its host does not tell."""

_LEAST_UNPACKED = 0.99
"""Those that it makes at least: what cannot be packed takes a little more room packed."""

_SIZE_RANGE = 1 << 32
"""What gzip counts bytes up to."""

_MEAN_SECONDS = 7.7
"""Of the clips of FSD50K, the one task whose clips differ: 108.3 hours."""

_SHORTEST_SECONDS = 0.3
"""Of its clips: no task has more of them in as many bytes."""

_BESIDE_CLIP_BYTES = 4096
"""What a file takes on a disk besides its samples, at most."""

_EMBEDDING_BYTES = 4 * 1024
"""Of the widest embedding of the table's models."""

_TIMESTAMPS_PER_SECOND = 25
_JOB_BYTES = 10_000_000
"""Of a model on a task: logs, records, scores."""

OTHER_BYTES = 20_000_000
"""The report; predictors of the tasks that are just predicted."""

_USUAL_SPEED = 20e6
"""Bytes per second, for a first idea of the time."""

_EMBEDDED_A_SECOND = 24.0
"""Seconds of audio that a stage of this package embeds in one, clips of 10 s, measured on two cores of a Xeon."""

_EVENT_PASSES = 4
"""Over the audio of tasks of events, at the default hop."""

_PREDICT_SECONDS = 63 * 3600 / 40
"""Of a task of HEAR with a model in the mean, at most, on one such core (the benchmark's projection)."""


@dataclasses.dataclass(frozen=True)
class Room:
    """Bytes that a run takes on the disk.

    Attributes:
        tarballs: of all tasks that are to be fetched.
        audio: what stays of all tasks.
        embeddings: of all models, and as much again while they are made.
        other: of logs, scores, the report.
        models: how many embed each task.
        published: of each task's audio at 48 kHz.
        stays: of each task, in the order in which they are fetched.
        passing: of what goes again of each task, in the order in which they are fetched.
        peak: all that is there at a time, at most.
    """

    tarballs: int
    audio: int
    embeddings: int
    other: int
    models: int
    published: Mapping[HearTask, int]
    stays: Mapping[HearTask, int]
    passing: Mapping[HearTask, int]
    peak: int

    def lines(self) -> list[str]:
        """For people."""
        fetched = f"{self.tarballs / 1e9:.1f} GB of tarballs are to be fetched"
        stays = f"audio that stays {_gigabytes(self.audio)}, embeddings {_gigabytes(self.embeddings)}"
        return [
            f"the disk holds {_gigabytes(self.peak)} at most for these tasks, weights aside: {stays}, all else "
            f"{_gigabytes(self.other)}; and on the way tarballs, and audio that goes, of {AT_A_TIME} tasks at a time",
            f"{fetched}: {clock(self.tarballs / _USUAL_SPEED)} at {_USUAL_SPEED / 1e6:.0f} MB/s",
            f"on two CPU cores, about {clock(self._embedding_seconds())} to embed, at the speed of this package's own "
            f"stages, and {clock(len(self.published) * self.models * _PREDICT_SECONDS / 2)} to predict, as tasks of "
            "HEAR take in the mean, both at a time; cards are quicker, by how much was not measured",
        ]

    def _embedding_seconds(self) -> float:
        passes = {task: _EVENT_PASSES if task.embedding_type is EmbeddingType.EVENT else 1 for task in self.published}
        return self.models * sum(audio_seconds(task) * each for task, each in passes.items()) / _EMBEDDED_A_SECOND


def _gigabytes(size: int) -> str:
    """Not less than it is."""
    digits = 1 if size >= 1e9 else 3
    return f"{math.ceil(size / 1e9 * 10**digits) / 10**digits:.{digits}f} GB"


def audio_seconds(task: HearTask) -> float:
    """Seconds of audio in a task."""
    return task.clips * (_MEAN_SECONDS if task.seconds is None else task.seconds)


def list_tarballs(options: Options) -> dict[HearTask, TarballSize]:
    """How much the tarballs of a run's tasks hold.

    Raises:
        OSError: the list of them cannot be had.
    """
    assert options.fetching is not None
    return tarball_sizes(_tasks(options), options.tasks_dir / TARBALLS, options.fetching.mirror)


def _tasks(options: Options) -> list[HearTask]:
    by_name = {task.directory: task for task in TASKS}
    return [by_name[task.name] for task in options.tasks]


def plan_tasks(options: Options, sizes: Mapping[HearTask, TarballSize]) -> tuple[list[pathlib.Path], Room]:
    """The folders of a run's tasks in the order in which they are fetched, and what that takes.

    Args:
        options: of the run.
        sizes: what their tarballs hold; {} where nobody tells.
    """
    wanted = _tasks(options)
    known = {task: sizes.get(task, TarballSize(0)) for task in wanted if task in sizes or not sizes}
    unpacked = {task: _published_bytes(task, size) for task, size in known.items()}
    ordered = order_tasks(unpacked)
    room = estimate_room({task: known[task] for task in ordered}, options)
    return [options.tasks_dir / task.directory for task in (*ordered, *(set(wanted) - set(known)))], room


def estimate_room(sizes: Mapping[HearTask, TarballSize], options: Options) -> Room:
    """What fetching and running tasks takes.

    Args:
        sizes: what the tarball of each holds, in the order in which they are fetched; one of which nobody tells counts
            as much as its audio.
        options: of the run.
    """
    assert options.fetching is not None
    fetching = options.fetching
    published = {task: _published_bytes(task, size) for task, size in sizes.items()}
    packed = {task: size.packed or published[task] for task, size in sizes.items()}
    audio = {task: _at_rates(task, published[task], fetching.staying) for task in sizes}
    if fetching.keep_archives:
        audio = {task: size + packed[task] for task, size in audio.items()}
    embeddings = {task: 2 * len(options.models) * _embedding_bytes(task, published[task]) for task in sizes}
    passing = {task: _passing(task, packed[task], published[task], options) for task in sizes}
    stays = {task: audio[task] + embeddings[task] for task in sizes}
    in_turn = list(passing.values())
    peaks = [each + in_turn[i] + most_beside(in_turn, i) for i, each in enumerate(itertools.accumulate(stays.values()))]
    other = OTHER_BYTES + _JOB_BYTES * len(options.models) * len(sizes)
    peak = max(peaks, default=0) + other
    tarballs, stay, embedded = (sum(each.values()) for each in (packed, audio, embeddings))
    return Room(tarballs, stay, embedded, other, len(options.models), published, stays, passing, peak)


def _passing(task: HearTask, tarball: int, published: int, options: Options) -> int:
    """Bytes of a task that go again: of the tarball while it is unpacked, or then of the audio."""
    assert options.fetching is not None
    if options.fetching.keep_archives:
        return 0
    going = options.fetching.going
    source = 0 if PUBLISHED_RATE in options.fetching.staying else published
    return max(tarball + source, source + _at_rates(task, published, going - {PUBLISHED_RATE}))


def _at_rates(task: HearTask, published: int, rates: Iterable[int]) -> int:
    """Bytes of a task's audio at some rates, of which those at 48 kHz are known."""
    beside = _BESIDE_CLIP_BYTES * _most_clips(task, published)
    return sum(round(published * rate / PUBLISHED_RATE) + beside for rate in rates)


def _most_clips(task: HearTask, published: int) -> int:
    """Clips of a task in bytes of audio at 48 kHz, at most."""
    return min(task.clips, math.ceil(published / (_SHORTEST_SECONDS * PUBLISHED_RATE * _SAMPLE_BYTES)))


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
        there += tarball + _at_rates(task, room.published[task], whole)
    return there


def _published_bytes(task: HearTask, tarball: TarballSize) -> int:
    """Bytes that the 48 kHz audio of a task takes on the disk, at most."""
    samples = round(audio_seconds(task) * PUBLISHED_RATE)
    whole = samples * _SAMPLE_BYTES + _BESIDE_CLIP_BYTES * task.clips
    if not tarball.packed:
        return whole
    most = min(whole, _MOST_UNPACKED * tarball.packed)
    if tarball.unpacked is not None:
        told = tarball.unpacked + max(0, most - tarball.unpacked) // _SIZE_RANGE * _SIZE_RANGE
        if told >= _LEAST_UNPACKED * tarball.packed:  # otherwise its last bytes tell of a part of it
            return told + _BESIDE_CLIP_BYTES * _most_clips(task, told)
    return most


def _embedding_bytes(task: HearTask, published: int) -> int:
    if task.embedding_type == EmbeddingType.EVENT:
        seconds = min(audio_seconds(task), published / (PUBLISHED_RATE * _SAMPLE_BYTES))
        return round(seconds * _TIMESTAMPS_PER_SECOND) * _EMBEDDING_BYTES
    return _most_clips(task, published) * _EMBEDDING_BYTES


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
