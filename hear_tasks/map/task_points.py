"""Points of a task that is embedded: its clips, with their labels."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np

from hear_tasks.embed import read_splits
from hear_tasks.map.points import Colours, Points
from hear_tasks.registry import EmbeddingType
from hear_tasks.task_folder import METADATA_FILE, USUAL_RATE, TaskError, audio_folder

SEVERAL, NO_LABEL = "several labels", "no label"


def is_embedded_task(folder: pathlib.Path) -> bool:
    """Whether a folder holds the embeddings of a task."""
    return (folder / METADATA_FILE).is_file() and any(folder.glob("*.embeddings.npy"))


def read_task_points(folder: pathlib.Path, tasks: pathlib.Path | None) -> tuple[Points, Colours]:
    """The clips of a scene task that is embedded.

    Args:
        folder: EMBEDDINGS/MODULE/TASK.
        tasks: where the folder of the task lies, for its audio; None where that is not known.

    Raises:
        ValueError: it is an event task, or not whole.
    """
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
        splits = read_splits(folder, metadata)
    except (TaskError, OSError, ValueError) as error:
        raise ValueError(str(error)) from error
    if metadata.get("embedding_type") != EmbeddingType.SCENE:
        raise ValueError(f"{folder}: an event task has embeddings along its clips; expected one with one for each clip")
    audio = None if tasks is None else _find_audio(tasks / folder.name)
    names, files, values, parts = [], [], [], []
    for split in splits:
        parts.append(_read_embeddings(folder, split.name, len(split.order)))
        for clip in split.order:
            names.append(f"{split.name}/{clip}")
            file = None if audio is None else audio / split.name / clip
            files.append(str(file) if file is not None and file.is_file() else "")
            values.append(_label(split.labels[clip]))
    facts = [("task", folder.name), ("model", folder.absolute().parent.name)]
    return Points(names, files, np.concatenate(parts), {}, facts), Colours("label", values)


def _read_embeddings(folder: pathlib.Path, split: str, clips: int) -> np.ndarray:
    """The embeddings of a split, shape (clips, size)."""
    file = folder / f"{split}.embeddings.npy"
    try:
        count, size = json.loads((folder / f"{split}.embedding-dimensions.json").read_text())
        if count != clips:
            raise ValueError(f"{count} embeddings of {clips} clips")
        if os.stat(file).st_size != 4 * count * size:
            raise ValueError(f"{os.stat(file).st_size} bytes in place of {4 * count * size}")
        return np.fromfile(file, np.float32).reshape(count, size)
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
