"""Points of a task that is embedded: its clips, or of an event task its events, with their labels."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from hear_cacophony.files.json_file import read_json
from hear_tasks.embed import Split, read_splits
from hear_tasks.map.event_points import chosen, event_embeddings, events_of
from hear_tasks.map.points import Colours, Points
from hear_tasks.registry import EmbeddingType
from hear_tasks.task_folder import METADATA_FILE, USUAL_RATE, TaskError, audio_folder, read_task_file

SEVERAL, NO_LABEL = "several labels", "no label"


def is_embedded_task(folder: pathlib.Path) -> bool:
    """Whether a folder holds the embeddings of a task."""
    return (folder / METADATA_FILE).is_file() and any(folder.glob("*.embeddings.npy"))


def read_task_points(folder: pathlib.Path, tasks: pathlib.Path | None) -> tuple[Points, Colours, list[str]]:
    """The clips of a scene task that is embedded, or the events of an event task.

    Args:
        folder: EMBEDDINGS/MODULE/TASK.
        tasks: where the folder of the task lies, for its audio; None where that is not known.

    Returns:
        Points, their labels as colours, and what is to be said of them.

    Raises:
        ValueError: it is not whole, or has no event.
    """
    try:
        metadata = read_task_file(folder / METADATA_FILE)
        splits = read_splits(folder, metadata)
    except (TaskError, OSError, ValueError) as error:
        raise ValueError(str(error)) from error
    audio = None if tasks is None else _find_audio(tasks / folder.name)
    facts = [("task", folder.name), ("model", folder.absolute().parent.name)]
    if metadata.get("embedding_type") != EmbeddingType.SCENE:
        return _event_points(folder, splits, audio, facts)
    names, files, values, parts = [], [], [], []
    for split in splits:
        parts.append(_read_embeddings(folder, split.name, len(split.order)))
        for clip in split.order:
            names.append(f"{split.name}/{clip}")
            files.append(_file(audio, split.name, clip))
            values.append(_label(split.labels[clip]))
    points = Points(names, files, np.concatenate(parts), {}, facts, what="clips")
    return points, Colours("label", values), []


def _event_points(
    folder: pathlib.Path, splits: Sequence[Split], audio: pathlib.Path | None, facts: list[tuple[str, str]]
) -> tuple[Points, Colours, list[str]]:
    try:
        listed = [events_of(split.labels) for split in splits]
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    total = sum(map(len, listed))
    if not total:
        raise ValueError(f"{folder}: expected events to draw, the task has none")
    names, files, values, spans, parts = [], [], [], [], []
    for split, numbers, events in zip(splits, chosen([len(each) for each in listed]), listed, strict=True):
        drawn = [events[i] for i in numbers.tolist()]
        frames = _read_embeddings(folder, split.name, None)
        parts.append(event_embeddings(folder, split.name, frames, drawn))
        names += [f"{split.name}/{event.clip}" for event in drawn]
        there = {clip: _file(audio, split.name, clip) for clip in {event.clip for event in drawn}}
        files += [there[event.clip] for event in drawn]
        values += [event.label for event in drawn]
        spans += [event.span for event in drawn]
    told = [f"{len(names):,} of {total:,} events, at random"] if len(names) < total else []
    facts = [*facts, ("points", "events, by the mean of the embeddings along each")]
    points = Points(names, files, np.concatenate(parts), {}, facts, spans, what="events")
    return points, Colours("label", values), told


def _file(audio: pathlib.Path | None, split: str, clip: str) -> str:
    """The path of a clip's audio; "" where it is not there."""
    file = None if audio is None else audio / split / clip
    return str(file) if file is not None and file.is_file() else ""


def _read_embeddings(folder: pathlib.Path, split: str, clips: int | None) -> np.ndarray:
    """The embeddings of a split, shape (clips, size); with None for `clips` those along time, of any number."""
    file = folder / f"{split}.embeddings.npy"
    try:
        count, size = read_json(folder / f"{split}.embedding-dimensions.json")
        if clips is not None and count != clips:
            raise ValueError(f"{count} embeddings of {clips} clips")
        if os.stat(file).st_size != 4 * count * size:
            raise ValueError(f"{os.stat(file).st_size} bytes in place of {4 * count * size}")
        return np.memmap(file, np.float32, "r", shape=(count, size)) if count else np.empty((0, size), np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{file}: expected the embeddings of a split ({error}); embed the task again") from error


def _find_audio(task: pathlib.Path) -> pathlib.Path:
    if not task.is_dir():
        raise ValueError(f"{task}: no such task; --tasks-dir names the folder that holds it")
    folder = audio_folder(task)
    if folder is None:
        raise ValueError(f"{task}: no folder of audio in it, such as {USUAL_RATE}")
    return folder


def _label(labels: list[object]) -> str:
    if len(labels) > 1:
        return SEVERAL
    return str(labels[0]) if labels else NO_LABEL
