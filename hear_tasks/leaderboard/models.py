"""Models below a folder of embeddings: finding them, and reading what is known of each.

Whatever keeps a task from counting is named: it is a problem of its model, and no score.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

from hear_tasks.leaderboard.scores import Score, TaskProblem, holds_results, is_task, read_score, read_whole_object
from hear_tasks.task_folder import SCORES_FILE, UNTRAINED, WEIGHTS_FILE

_LIGHTNING_LOGS = ("logs", "lightning_logs")
"""Folders that heareval leaves in the directory that it is started in, which may be one of ours."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """What is known of a model's weights, and of the HEAR module that they are for: "" for what is not recorded."""

    name: str = ""
    md5: str = ""
    module: str = ""

    @property
    def untrained(self) -> bool:
        """Whether they are noted as untrained."""
        return self.name == UNTRAINED


@dataclasses.dataclass(frozen=True)
class Model:
    """The scores of one model.

    Attributes:
        name: for tables; the name of its folder unless another was given.
        weights: what its weights are.
        tasks: all task directories, with a score or without.
        scores: by task directory; only tasks that have a whole score.
        problems: one message for each task that has none, and for a damaged note of the weights.
        folder: of the model, which holds those of its tasks.
    """

    name: str
    weights: Weights
    tasks: tuple[str, ...]
    scores: Mapping[str, Score]
    problems: tuple[str, ...]
    folder: pathlib.Path

    @property
    def title(self) -> str:
        """The name, and whether the weights are untrained."""
        return f"{self.name} ({UNTRAINED})" if self.weights.untrained else self.name


def read_models(
    folders: Sequence[str | os.PathLike[str]], names: Mapping[pathlib.Path, str] | None = None
) -> tuple[Model, ...]:
    """All models below `folders`.

    Args:
        folders: embeddings folders of heareval, which hold MODEL/TASK, or folders of single models, which hold TASK.
        names: names for models, by their folder, in place of the folder's own.

    Raises:
        OSError: a folder is none, or cannot be read.
        ValueError: a folder is empty or holds no task, two models have the same name, or `names` has a folder that
            is no model's.
    """
    given = {folder.resolve(): name for folder, name in (names or {}).items()}
    models = [model for folder in folders for model in _find_models(pathlib.Path(folder))]
    unknown = given.keys() - {model.resolve() for model in models}
    if unknown:
        raise ValueError(f"{min(unknown)}: named as a model, but not one of {', '.join(map(str, models))}")
    by_name: dict[str, pathlib.Path] = {}
    for model in models:
        name = given.get(model.resolve(), model.resolve().name)
        if name in by_name:
            raise ValueError(_same_name(name, by_name[name], model))
        by_name[name] = model
    return tuple(_read_model(name, folder) for name, folder in by_name.items())


def _same_name(name: str, first: pathlib.Path, second: pathlib.Path) -> str:
    if first.resolve() == second.resolve():
        return f"{first}: given twice; leave one out"
    return f"two models are called {name!r}: {first} and {second}; give one another name with --model-name FOLDER NAME"


def _find_models(folder: pathlib.Path) -> list[pathlib.Path]:
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder of embeddings, got a file")
    if holds_results(folder):
        raise ValueError(f"{folder}: expected EMBEDDINGS_DIR, which holds MODEL/TASK, got the folder of a task")
    below = _subfolders(folder)
    if any(is_task(each) for each in below):
        return [folder]
    if not any(is_task(task) for model in below for task in _subfolders(model)):
        what = "nothing of the kind" if any(folder.iterdir()) else "an empty folder"
        raise ValueError(f"{folder}: expected MODEL/TASK/{SCORES_FILE}, found {what}; did heareval write elsewhere?")
    return below


def _subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and not each.name.startswith(".") and each.name not in _LIGHTNING_LOGS
    )


def _read_model(name: str, folder: pathlib.Path) -> Model:
    scores: dict[str, Score] = {}
    problems: list[str] = []
    try:
        weights = read_weights(folder)
        reservations = ("untrained weights",) if weights.untrained else ()
    except (TaskProblem, OSError) as problem:
        weights, reservations = Weights(), ("weights unknown",)
        problems.append(str(problem))
    tasks = _subfolders(folder)
    if not tasks:
        problems.append(f"{folder}: no task in it; its embeddings did not start, or it is no model")
    for task in tasks:
        try:
            score = read_score(task)
        except (TaskProblem, OSError) as problem:
            problems.append(str(problem))
        else:
            scores[task.name] = dataclasses.replace(score, reservations=(*reservations, *score.reservations))
    return Model(name, weights, tuple(task.name for task in tasks), scores, tuple(problems), folder)


def read_weights(folder: pathlib.Path) -> Weights:
    """What is noted of the weights in the folder of a model; other plugins note nothing.

    Raises:
        TaskProblem: the note is damaged.
    """
    file = folder / WEIGHTS_FILE
    if not file.exists():
        return Weights()
    content = read_whole_object(file, "delete it, and run the embeddings again")
    name, md5, module = content.get("weights"), content.get("md5") or "", content.get("module") or ""
    if not (isinstance(name, str) and isinstance(md5, str) and isinstance(module, str)):
        raise TaskProblem(f'{file}: expected {{"weights": file name or "{UNTRAINED}", "md5": MD5}}, got {content}')
    return Weights(name, md5, module)
