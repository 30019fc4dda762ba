"""A HEAR task on disk, as it is embedded: its splits, in heareval's order, and the clips in them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hear_cacophony.files.file_identity import ContentDigests
from hear_cacophony.files.plain_name import is_plain_name
from hear_cacophony.printable import on_own_lines
from hear_cacophony.progress import FileProgress
from hear_tasks.embed.clips import BadClipError, Clip, open_clip
from hear_tasks.registry import EmbeddingType, PredictionType
from hear_tasks.similar_names import describe_similar
from hear_tasks.task_folder import (
    DURATION_TOLERANCE_MS,
    EVENT_TOLERANCE_MS,
    METADATA_FILE,
    VOCABULARY_FILE,
    TaskError,
    clip_orders,
    read_task_file,
)
from hear_tasks.text_files import first_lines, is_number

READERS = 8
"""Threads that read headers and contents of clips."""


@dataclasses.dataclass(frozen=True)
class Split:
    """One split.

    Attributes:
        name: such as "train" or "fold00".
        labels: labels of each clip as its file has them: a list of labels for scenes, of events for event
            tasks.
        order: names of the clips in the order of their embeddings.
    """

    name: str
    labels: Mapping[str, list]
    order: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        folder: where it is.
        embedding_type: scene or event.
        splits: in the order of the metadata.
        clips: the clips of all splits, split after split, each in the order of its embeddings.
        sample_rate: of the clips, per second.
        seconds: length that every clip should have; None where they differ.
        fingerprint: changes with the splits, their order, and with the content of any clip. Copies are the same task.
        digests: the contents of the clips.
    """

    folder: pathlib.Path
    embedding_type: EmbeddingType
    splits: tuple[Split, ...]
    clips: tuple[Clip, ...]
    sample_rate: int
    seconds: float | None
    fingerprint: str
    digests: ContentDigests

    @property
    def name(self) -> str:
        """Name of its directory."""
        return self.folder.name

    @property
    def samples(self) -> int:
        """Samples of all its clips."""
        return sum(clip.samples for clip in self.clips)

    def clips_by_split(self) -> list[tuple[Split, range]]:
        """The splits, each with the indices of its clips in `clips`."""
        ends = itertools.accumulate(len(split.order) for split in self.splits)
        return [(split, range(end - len(split.order), end)) for split, end in zip(self.splits, ends, strict=True)]

    def remarks(self) -> Iterator[str]:
        """What is odd about the task, which is embedded all the same."""
        if wrong := [f"{clip.file}: {clip.remark}" for clip in self.clips if clip.remark]:
            yield f"{len(wrong)} clips with a wrong header are read to their ends: {wrong[0]}"
        if odd := [clip for clip in self.clips if not self._has_its_length(clip)]:
            yield (
                f"{len(odd)} clips are not of the {self.seconds:g} s that {METADATA_FILE} tells, such as {odd[0].file} "
                f"of {odd[0].samples / self.sample_rate:g} s; was a copy interrupted? They are embedded as they are "
                "(heareval fails)"
            )
        if self.embedding_type == EmbeddingType.EVENT and (outside := list(self._events_outside())):
            yield (
                f"{len(outside)} events are not within their clips, such as {outside[0]}; they count as they are. Is "
                "the audio cut short, or of another task?"
            )

    def _has_its_length(self, clip: Clip) -> bool:
        off = 0.0 if self.seconds is None else abs(clip.samples - self.seconds * self.sample_rate)
        return off <= max(1, self.sample_rate * DURATION_TOLERANCE_MS / 1000)

    def _events_outside(self) -> Iterator[str]:
        for split, indices in self.clips_by_split():
            for name, index in zip(split.order, indices, strict=True):
                length = 1000 * self.clips[index].samples / self.sample_rate
                for event in split.labels[name]:
                    if event["start"] < 0 or event["start"] >= length or event["end"] > length + EVENT_TOLERANCE_MS:
                        yield f"one from {event['start']:g} to {event['end']:g} ms in {name} of {length:g} ms"


def read_task(folder: pathlib.Path, rate: int) -> Task:
    """Read what a task holds, with the headers and the digests of all its clips at `rate` samples per second.

    Raises:
        TaskError: metadata or a split is missing or damaged, or clips are not what they have to be; the
            message lists them.
    """
    metadata = read_task_file(folder / METADATA_FILE)
    embedding_type = _kind(folder, metadata, "embedding_type", EmbeddingType)
    prediction_type = _kind(folder, metadata, "prediction_type", PredictionType)
    if not (folder / VOCABULARY_FILE).is_file():
        raise TaskError(f"{folder / VOCABULARY_FILE}: no such file")
    splits = read_splits(folder, metadata)
    if embedding_type == EmbeddingType.SCENE and prediction_type == PredictionType.MULTICLASS:
        _check_one_label(folder, splits)
    if embedding_type == EmbeddingType.EVENT:
        _check_events(folder, splits)
    digests = ContentDigests()
    clips = _read_clips(folder, splits, rate, digests)
    # Rows go by the order of the clips in the split files, so that the order is part of it.
    facts = [[split.name, list(split.labels.items()), split.order] for split in splits]
    content = [metadata, facts, [clip.digest for clip in clips]]
    fingerprint = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Task(folder, embedding_type, splits, clips, rate, _seconds(metadata), fingerprint, digests)


def _seconds(metadata: Mapping[str, Any]) -> float | None:
    """The length of every clip where the metadata tell it."""
    seconds = metadata.get("sample_duration")
    return seconds if is_number(seconds) and 0 < seconds < math.inf else None


def _kind(folder: pathlib.Path, metadata: Mapping[str, Any], field: str, kinds: Any) -> Any:
    try:
        return kinds(metadata.get(field))
    except ValueError:
        expected = " or ".join(map(repr, map(str, kinds)))
        raise TaskError(
            f"{folder / METADATA_FILE}: {field}: expected {expected}, got {metadata.get(field)!r}"
        ) from None


def read_splits(folder: pathlib.Path, metadata: Mapping[str, Any]) -> tuple[Split, ...]:
    """The splits, their clips in heareval's order."""
    names = metadata.get("splits")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise TaskError(f"{folder / METADATA_FILE}: splits: expected a list of names, got {names!r}")
    check_plain_names(folder / METADATA_FILE, "splits", names)
    listed = {}
    for name in names:
        labels = read_task_file(folder / f"{name}.json")
        if not labels or not all(isinstance(each, list) for each in labels.values()):
            raise TaskError(f"{folder / f'{name}.json'}: expected a list of labels for each of one or more clips")
        check_plain_names(folder / f"{name}.json", "clips", labels)
        listed[name] = labels
    orders = clip_orders(listed)
    return tuple(Split(name, listed[name], orders[name]) for name in names)


def check_plain_names(file: pathlib.Path, what: str, names: Iterable[str]) -> None:
    """Raise TaskError where a name would lead out of the folder of the task."""
    wrong = [name for name in names if not is_plain_name(name)]
    if wrong:
        raise TaskError(
            f"{file}: {what}: expected plain names, which stay in the task's folder, got {wrong[0]!r}; was the task "
            "made by another program, or tampered with?"
        )


def _check_one_label(folder: pathlib.Path, splits: tuple[Split, ...]) -> None:
    for split in splits:
        wrong = [clip for clip, labels in split.labels.items() if len(labels) != 1]
        if wrong:
            raise TaskError(
                f"{folder / f'{split.name}.json'}: expected one label for each clip of a multiclass task, "
                f"got {len(split.labels[wrong[0]])} for {wrong[0]}"
            )


def _check_events(folder: pathlib.Path, splits: tuple[Split, ...]) -> None:
    for split in splits:
        for clip, events in split.labels.items():
            for event in events:
                if not _is_event(event):
                    raise TaskError(
                        f"{folder / f'{split.name}.json'}: {clip}: expected events with a label, and a start and a "
                        f"later end in milliseconds, got {event!r}"
                    )


def _is_event(event: Any) -> bool:
    if not isinstance(event, dict) or "label" not in event:
        return False
    start, end = event.get("start"), event.get("end")
    return is_number(start) and is_number(end) and -math.inf < start <= end < math.inf


def _read_clips(
    folder: pathlib.Path, splits: tuple[Split, ...], rate: int, digests: ContentDigests
) -> tuple[Clip, ...]:
    if not (folder / str(rate)).is_dir():
        command = f"hear-cacophony prepare --rates {rate} {folder}"
        hint = f"; make it from the 48 kHz audio: {command}" if (folder / "48000").is_dir() else ""
        raise TaskError(f"{folder / str(rate)}: no such folder{hint}")
    files = [folder / str(rate) / split.name / name for split in splits for name in split.order]
    bad: dict[pathlib.Path, str] = {}

    def read(file: pathlib.Path) -> Clip | None:
        try:
            clip = dataclasses.replace(open_clip(file, rate), digest=digests.of(file))
            progress.advance(1)
            return clip
        except BadClipError as error:
            bad[file] = str(error)
            return None

    with FileProgress(f"{folder.name}, reading", len(files)) as progress, ThreadPoolExecutor(READERS) as pool:
        clips = [clip for clip in pool.map(read, files) if clip is not None]
    if bad:
        hints = _similar_files(folder / str(rate), splits)
        raise TaskError(listed(sorted(message + hints.get(file, "") for file, message in bad.items())))
    return tuple(clips)


def _similar_files(audio: pathlib.Path, splits: tuple[Split, ...]) -> dict[pathlib.Path, str]:
    """By each clip that is not there, but whose name is much like a file's, what is to be said of it."""
    return {
        audio / split.name / name: f"; {told}"
        for split in splits
        if (audio / split.name).is_dir()
        for name, told in describe_similar(split.order, os.listdir(audio / split.name), f"{split.name}.json").items()
    }


def listed(messages: list[str]) -> str:
    """Messages as lines, the first of them."""
    return "\n".join(map(on_own_lines, first_lines(messages)))
