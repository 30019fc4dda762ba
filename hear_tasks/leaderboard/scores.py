"""Scores of heareval's prediction runner, read from the folders of models and tasks.

Whatever keeps a task from counting is named: a task without scores, with half a scores file, with a score that is
no number, or with predictions that did not finish has a problem and no score. A score that was not made as the
official leaderboard asks has reservations.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hear_tasks.leaderboard.grid import Run, check_grid, find_run, official_grids, read_runs
from hear_tasks.registry import TASKS, EmbeddingType, HearTask
from hear_tasks.task_folder import (
    EMBEDDED_FILE,
    METADATA_FILE,
    PREDICTED_FILE,
    SCORES_FILE,
    UNTRAINED,
    VOCABULARY_FILE,
    WEIGHTS_FILE,
)

_LOG_FILE = "prediction.log"
_TASK_MARKS = (SCORES_FILE, METADATA_FILE, PREDICTED_FILE, _LOG_FILE, EMBEDDED_FILE)
_LIGHTNING_LOGS = ("logs", "lightning_logs")
"""Folders that heareval leaves in the directory that it is started in, which may be one of ours."""

# heareval skips what it has noted as done.
_PREDICT_AGAIN = f"delete {PREDICTED_FILE} beside it, where there is one, and run the predictions again"
_EMBED_AGAIN = "delete its folder, and run the embeddings again"

_TASKS = {task.directory: task for task in TASKS}


class TaskProblem(ValueError):
    """What keeps a task from having a score; the message names the file and what to do."""


@dataclasses.dataclass(frozen=True)
class Score:
    """The primary score of one model on one task.

    Attributes:
        metric: name of the score, as heareval has it.
        value: the score; with folds, their mean.
        deviation: standard deviation over the folds (n - 1), None without folds.
        chance: the score of guessing, None where there is no saying.
        reservations: how it differs from a score of the official leaderboard; empty for an official one.
        unrecorded: what its files do not tell of how it was made.
    """

    metric: str
    value: float
    deviation: float | None = None
    chance: float | None = None
    reservations: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Weights:
    """What is known of a model's weights: "" for what is not recorded."""

    name: str = ""
    md5: str = ""

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
    """

    name: str
    weights: Weights
    tasks: tuple[str, ...]
    scores: Mapping[str, Score]
    problems: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name, and whether the weights are untrained."""
        return f"{self.name} ({UNTRAINED})" if self.weights.untrained else self.name


def read_models(folders: Sequence[pathlib.Path], names: Mapping[pathlib.Path, str] | None = None) -> tuple[Model, ...]:
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
    models = [model for folder in folders for model in _find_models(folder)]
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
    if any((folder / mark).exists() for mark in _TASK_MARKS):
        raise ValueError(f"{folder}: expected EMBEDDINGS_DIR, which holds MODEL/TASK, got the folder of a task")
    below = _subfolders(folder)
    if any(_is_task(each) for each in below):
        return [folder]
    if not any(_is_task(task) for model in below for task in _subfolders(model)):
        what = "nothing of the kind" if any(folder.iterdir()) else "an empty folder"
        raise ValueError(f"{folder}: expected MODEL/TASK/{SCORES_FILE}, found {what}; did heareval write elsewhere?")
    return below


def _subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and not each.name.startswith(".") and each.name not in _LIGHTNING_LOGS
    )


def _is_task(folder: pathlib.Path) -> bool:
    return folder.name in _TASKS or any((folder / mark).exists() for mark in _TASK_MARKS)


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
    return Model(name, weights, tuple(task.name for task in tasks), scores, tuple(problems))


def write_weights(folder: pathlib.Path, weights: Weights) -> None:
    """Note in the folder of a model what its weights are."""
    (folder / WEIGHTS_FILE).write_text(json.dumps({"weights": weights.name, "md5": weights.md5}) + "\n")


def read_weights(folder: pathlib.Path) -> Weights:
    """What is noted of the weights in the folder of a model; other plugins note nothing.

    Raises:
        TaskProblem: the note is damaged.
    """
    file = folder / WEIGHTS_FILE
    if not file.exists():
        return Weights()
    content = _read_json(file, "delete it, and run the embeddings again")
    name, md5 = content.get("weights"), content.get("md5") or ""
    if not isinstance(name, str) or not isinstance(md5, str):
        raise TaskProblem(f'{file}: expected {{"weights": file name or "{UNTRAINED}", "md5": MD5}}, got {content}')
    return Weights(name, md5)


def read_score(folder: pathlib.Path) -> Score:
    """The score of one task. Only the scores file has to be there, which is often all that is passed on.

    Args:
        folder: the task's, in the folder of a model.

    Raises:
        TaskProblem: it has none, or none that is whole.
        OSError: a file cannot be read.
    """
    _check_started(folder)
    file = folder / SCORES_FILE
    content = _read_json(file, _PREDICT_AGAIN)
    task = _TASKS.get(folder.name)
    metadata = _read_metadata(folder, task)
    tests = _tests(content)
    value, deviation = _primary_score(file, content.get("aggregated_scores"), tests, task)
    metric = _metric(task, metadata, tests)
    runs = read_runs(folder / _LOG_FILE)
    run = find_run(runs, content)
    grid_points = _read_done(folder, runs).get("grid_points", run.grid_points if run else None)
    differences, unrecorded = check_grid(content.get("hparams"), grid_points, run, official_grids(task, metadata))
    return Score(
        metric=metric,
        value=value,
        deviation=deviation,
        chance=_chance(folder, metric, task),
        reservations=(*_check_tests(tests, metric, task, metadata), *_check_seeds(content), *differences),
        unrecorded=unrecorded if tests else (*unrecorded, "scores of the folds"),
    )


def _check_started(folder: pathlib.Path) -> None:
    """Raise TaskProblem where there is no scores file, with how far the task came."""
    if (folder / SCORES_FILE).exists():
        return
    if not _is_task(folder):
        raise TaskProblem(f"{folder}: no task: neither {SCORES_FILE} nor {METADATA_FILE} is in it")
    if (folder / _LOG_FILE).exists() or (folder / PREDICTED_FILE).exists():
        reason = f"predictions failed or have not finished (see {_LOG_FILE}); {_PREDICT_AGAIN}"
    elif (folder / EMBEDDED_FILE).exists():
        reason = "embedded, but not predicted; run the predictions"
    else:
        reason = f"embeddings failed or have not finished; {_EMBED_AGAIN}"
    raise TaskProblem(f"{folder}: no {SCORES_FILE}: {reason}")


def _read_json(file: pathlib.Path, remedy: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TaskProblem(f"{file}: damaged or half-written ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise TaskProblem(f"{file}: expected a JSON object, got {type(content).__name__}; {remedy}")
    return content


def _read_metadata(folder: pathlib.Path, task: HearTask | None) -> dict[str, Any]:
    """The task's metadata, {} where there are none."""
    file = folder / METADATA_FILE
    if not file.exists():
        return {}
    metadata = _read_json(file, _EMBED_AGAIN)
    evaluation = metadata.get("evaluation")
    if not isinstance(evaluation, list) or not evaluation or not isinstance(evaluation[0], str):
        raise TaskProblem(f'{file}: expected a list of scores as "evaluation", got {evaluation!r}')
    parts = [metadata.get(field) for field in ("task_name", "version", "mode")]
    if task is not None and None not in parts and "-".join(map(str, parts)) != task.directory:
        raise TaskProblem(
            f"{file}: expected the metadata of {task.directory}, got those of {'-'.join(map(str, parts))}"
        )
    return metadata


def _tests(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the scores file holds for each split that was tested on."""
    others = ("aggregated_scores", "hparams")
    return {name: part for name, part in content.items() if isinstance(part, dict) and name not in others}


def _primary_score(
    file: pathlib.Path, folds: Any, tests: dict[str, dict[str, Any]], task: HearTask | None
) -> tuple[float, float | None]:
    """The score, and its deviation over the folds.

    heareval's mean leaves out a fold whose score is no number, so every fold is looked at.
    """
    values = [_number(file, f"{name}: test_score", part.get("test_score"), task) for name, part in tests.items()]
    if folds is None:
        if len(values) != 1:
            raise TaskProblem(
                f"{file}: expected the score of one test split, or of folds with their aggregated_scores, "
                f"got {len(values)} splits; {_PREDICT_AGAIN}"
            )
        return values[0], None
    if not isinstance(folds, dict):
        raise TaskProblem(f"{file}: aggregated_scores: expected a JSON object, got {folds!r}; {_PREDICT_AGAIN}")
    mean, deviation = (_number(file, key, folds.get(key), task) for key in ("test_score_mean", "test_score_std"))
    if values and not math.isclose(mean, sum(values) / len(values), rel_tol=1e-6, abs_tol=1e-6):
        raise TaskProblem(
            f"{file}: test_score_mean {mean:g} is not the mean of its {len(values)} folds, "
            f"{sum(values) / len(values):g}; {_PREDICT_AGAIN}"
        )
    return mean, deviation


def _number(file: pathlib.Path, name: str, value: Any, task: HearTask | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TaskProblem(f"{file}: {name}: expected a number, got {value!r}; {_PREDICT_AGAIN}")
    if not math.isfinite(value):
        hint = "; are its timestamps in milliseconds?" if task and task.embedding_type == EmbeddingType.EVENT else ""
        raise TaskProblem(f"{file}: {name} is {value}: the task failed{hint}")
    if task is not None and not 0 <= value <= 1:
        raise TaskProblem(f"{file}: {name}: expected a fraction from 0 to 1, got {value:g}; is it a percentage?")
    return float(value)


def _metric(task: HearTask | None, metadata: dict[str, Any], tests: dict[str, dict[str, Any]]) -> str:
    if metadata:
        return metadata["evaluation"][0]
    if task is not None:
        return task.primary_score
    return next((name for part in tests.values() for name in _metrics(part)), "test_score")


def _metrics(part: dict[str, Any]) -> list[str]:
    """Names of the scores of one tested split, the primary one first, as heareval writes them."""
    unnamed = ("test_loss", "test_score")
    return [key.removeprefix("test_") for key in part if key.startswith("test_") and key not in unnamed]


def _check_tests(
    tests: dict[str, dict[str, Any]], metric: str, task: HearTask | None, metadata: dict[str, Any]
) -> list[str]:
    """Reservations about what was tested on, and by which score."""
    reservations = []
    if task is not None and metric != task.primary_score:
        reservations.append(f"score {metric} (official: {task.primary_score})")
    elif any(_metrics(part) and part.get(f"test_{metric}") != part["test_score"] for part in tests.values()):
        reservations.append(f"test_score is not that of {metric}")
    expected = _expected_tests(task, metadata)
    if expected and tests and len(tests) != expected:
        reservations.append(f"{len(tests)} splits tested on (official: {expected})")
    return reservations


def _check_seeds(content: dict[str, Any]) -> list[str]:
    """A reservation where each training had a seed of its own, which `predict` notes."""
    seeds = content.get("seeds")
    return [] if seeds is None else [f"seeds {seeds} (official: those of heareval)"]


def _expected_tests(task: HearTask | None, metadata: dict[str, Any]) -> int | None:
    """How many splits the task is tested on, None where there is no saying."""
    if task is not None:
        return len(task.tests)
    splits = metadata.get("splits")
    if not isinstance(splits, list):
        return None
    return 1 if metadata.get("split_mode") == "trainvaltest" else len(splits)


def _chance(folder: pathlib.Path, metric: str, task: HearTask | None) -> float | None:
    """The score of guessing: among the labels for accuracies, one half for the area under the ROC curve."""
    if metric == "aucroc":
        return 0.5
    if metric not in ("top1_acc", "pitch_acc"):
        return None
    if task is not None:
        return 1 / task.classes
    try:
        with (folder / VOCABULARY_FILE).open(encoding="utf-8", newline="") as file:
            labels = sum(1 for _ in csv.DictReader(file))
    except (OSError, ValueError):
        return None
    return 1 / labels if labels else None


def _read_done(folder: pathlib.Path, runs: Sequence[Run]) -> dict[str, Any]:
    """What heareval notes last of all; {} where scores were passed on without it.

    Raises:
        TaskProblem: it is missing, and the log tells that the last predictions did not finish.
    """
    file = folder / PREDICTED_FILE
    if file.exists():
        return _read_json(file, _PREDICT_AGAIN)
    own = [run for run in runs if run.directory == folder.name]
    if own and own[-1].results is None:
        raise TaskProblem(
            f"{folder}: the last predictions did not finish (see {_LOG_FILE}), so its scores are older ones; "
            "run the predictions again"
        )
    return {}
