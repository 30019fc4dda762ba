"""A HEAR task directory and the folder of its embeddings: the names in them, and finding them."""

from __future__ import annotations

import os
import pathlib
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hear_tasks.registry import find_tasks
from hear_tasks.text_files import FileFault, listed, read_object

METADATA_FILE = "task_metadata.json"
VOCABULARY_FILE = "labelvocabulary.csv"
SAMPLE_RATES = (16_000, 22_050, 32_000, 44_100, 48_000)
"""The rates in Hz that HEAR tasks are published at; the name of the folder with the audio."""

USUAL_RATE = 16_000
"""That of them which the encoders take."""

DURATION_TOLERANCE_MS = 1
"""How far a clip may be from its task's duration: what resampling by others leaves, not a cut clip."""

UNFINISHED_CLIP = ".preparing-"
"""Start of the names of unfinished audio files. One that a killed run has left is never taken for a clip."""

EVENT_TOLERANCE_MS = 10.0
"""How far an event may end after its clip: the rounding of times, and of lengths by resampling."""

EMBEDDED_FILE = ".done.embeddings"
"""heareval's mark of finished embeddings, which holds nothing; ours holds the sizes of their files."""

PREDICTED_FILE = "prediction-done.json"
"""heareval's mark of finished predictions."""

LOG_FILE = "prediction.log"
"""What heareval's predictions tell, the grid among it."""

SCORES_FILE = "test.predicted-scores.json"
"""The scores that predictions end with."""

TRAININGS_FILE = "prediction-trainings.json"
"""Ours, beside heareval's files: all trainings of a task, each with every validation in it."""

WEIGHTS_FILE = "weights.json"
"""Beside a model's embeddings: {"weights": file name or "untrained", "md5": MD5 of the checkpoint}."""

UNTRAINED = "untrained"


def clip_orders(splits: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """The clips of each split in the order of their embeddings.

    heareval shuffles them, with one generator for all splits in turn.

    Args:
        splits: the clips of each split in the order of its file, the splits in the order of the metadata.
    """
    generator = random.Random(0)
    orders = {}
    for name, clips in splits.items():
        order = list(clips)
        generator.shuffle(order)
        orders[name] = tuple(order)
    return orders


class TaskError(ValueError):
    """A task, or the folder of its embeddings, is not what it should be; the message names what is wrong with it."""


def read_task_file(file: pathlib.Path) -> dict[str, Any]:
    """The object in a JSON file of a task.

    Raises:
        TaskError: there is no such file, or no object in it, or a name stands in it twice.
    """
    try:
        content, repeated = read_object(file)
    except FileFault as fault:
        raise TaskError(f"{file}: {fault}; {fault.fix}") from fault
    if repeated:
        raise TaskError(
            f"{file}: expected each name once, got more than once, of which only the last would count: "
            f"{listed(sorted(set(repeated)))}; was it edited?"
        )
    return content


def lost_files_of(folder: pathlib.Path, sizes: Mapping[str, int | None]) -> dict[str, str]:
    """The files of a finished step that are not as they were, by their names: "gone", "empty", or how much is left.

    Args:
        folder: where they are.
        sizes: bytes that each had; None where that is not known, and it only has to hold something.
    """
    lost = {}
    for name, size in sizes.items():
        try:
            found = os.stat(folder / name).st_size
        except OSError:
            lost[name] = "gone"
            continue
        if found != size and (size is not None or not found):
            lost[name] = "empty" if not found else f"{found} of {size} bytes"
    return lost


def audio_folder(task: pathlib.Path) -> pathlib.Path | None:
    """The folder with a task's audio at `USUAL_RATE`, or else at the highest rate; None where there is none."""
    rates = sorted((each.name for each in task.iterdir() if each.name.isdigit()), key=int) if task.is_dir() else []
    if not rates:
        return None
    return task / (str(USUAL_RATE) if str(USUAL_RATE) in rates else rates[-1])


def choose_tasks(folder: pathlib.Path, names: Sequence[str] = ()) -> list[pathlib.Path]:
    """Task directories in `folder`.

    Args:
        folder: folder of HEAR tasks.
        names: directories in it, or names or columns of HEAR tasks; all that are there unless given.

    Raises:
        FileNotFoundError: there is no such folder, or no task in it.
        ValueError: a name is that of no task there; the message lists near matches.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one of HEAR tasks")
    there = sorted(each for each in folder.iterdir() if (each / METADATA_FILE).is_file())
    if not there:
        raise FileNotFoundError(f"{folder}: expected HEAR tasks, TASK/task_metadata.json, found none")
    if not names:
        return there
    wanted = {path for name in names for path in _matches(name, there)}
    return [path for path in there if path in wanted]


def _matches(name: str, there: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    exact = [path for path in there if name in (path.name, path.name.partition("-")[0])]
    if exact:
        return exact
    listed = ", ".join(path.name for path in there)
    try:
        directories = {task.directory for task in find_tasks(name)}
    except ValueError as error:
        raise ValueError(f"{error}; there are {listed}") from None
    found = [path for path in there if path.name in directories]
    if not found:
        raise ValueError(f"{' or '.join(sorted(directories))} is not there; there are {listed}")
    return found


def find_embedded(paths: Iterable[pathlib.Path]) -> list[pathlib.Path]:
    """Folders of tasks' embeddings, each once: those that are given, and all in folders of modules; files are left out.

    Raises:
        ValueError: a path is not there, or no folder of tasks is.
    """
    found: dict[pathlib.Path, pathlib.Path] = {}
    for path in paths:
        if path.is_file():
            if path.name != WEIGHTS_FILE:
                print(f"predict: {path}: a file, no folder of a task; left out", file=sys.stderr)
            continue
        for task in _embedded_in(path):
            found.setdefault(task.resolve(), task)
    if not found:
        raise ValueError("no folder among the arguments; expected EMBEDDINGS/MODULE/TASK, or EMBEDDINGS/MODULE")
    return list(found.values())


def _embedded_in(path: pathlib.Path) -> list[pathlib.Path]:
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder; expected EMBEDDINGS/MODULE/TASK")
    if (path / METADATA_FILE).exists() or (path / EMBEDDED_FILE).exists():
        return [path]
    tasks = sorted({file.parent for name in (METADATA_FILE, EMBEDDED_FILE) for file in path.glob(f"[!.]*/{name}")})
    modules = sorted({file.parent.parent for file in path.glob(f"[!.]*/[!.]*/{METADATA_FILE}")})
    if modules and not tasks:
        raise ValueError(f"{path}: a folder of modules; expected that of one, such as {modules[0]}, or of a task in it")
    return tasks or [path]
