"""The score of one task, read from what heareval's prediction runner left in its folder.

Whatever keeps a task from counting is named: a task without scores, with half a scores file, with a score that is
no number, or with predictions that did not finish has a problem and no score. A score that was not made as the
official leaderboard asks has reservations.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from hear_cacophony.files.json_file import read_json
from hear_tasks.leaderboard.grid import Run, check_grid, find_run, official_grids, read_runs
from hear_tasks.registry import TASKS, EmbeddingType, HearTask
from hear_tasks.task_folder import (
    EMBEDDED_FILE,
    LOG_FILE,
    METADATA_FILE,
    PREDICTED_FILE,
    SCORES_FILE,
    VOCABULARY_FILE,
)
from hear_tasks.text_files import is_number

_TASK_MARKS = (SCORES_FILE, METADATA_FILE, PREDICTED_FILE, LOG_FILE, EMBEDDED_FILE)

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


def is_task(folder: pathlib.Path) -> bool:
    """Whether a folder is that of a task, by its name or by what heareval left in it."""
    return folder.name in _TASKS or holds_results(folder)


def holds_results(folder: pathlib.Path) -> bool:
    """Whether heareval left anything of a task in a folder."""
    return any((folder / mark).exists() for mark in _TASK_MARKS)


def read_score(folder: pathlib.Path) -> Score:
    """The score of one task. Only the scores file has to be there, which is often all that is passed on.

    Raises:
        TaskProblem: it has none, or none that is whole.
        OSError: a file cannot be read.
    """
    _check_started(folder)
    file = folder / SCORES_FILE
    content = read_whole_object(file, _PREDICT_AGAIN)
    task = _TASKS.get(folder.name)
    metadata = _read_metadata(folder, task)
    tests = _tests(content)
    value, deviation = _primary_score(file, content.get("aggregated_scores"), tests, task)
    metric = _metric(task, metadata, tests)
    runs = read_runs(folder / LOG_FILE)
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
    if not is_task(folder):
        raise TaskProblem(f"{folder}: no task: neither {SCORES_FILE} nor {METADATA_FILE} is in it")
    if (folder / LOG_FILE).exists() or (folder / PREDICTED_FILE).exists():
        reason = f"predictions failed or have not finished (see {LOG_FILE}); {_PREDICT_AGAIN}"
    elif (folder / EMBEDDED_FILE).exists():
        reason = "embedded, but not predicted; run the predictions"
    else:
        reason = f"embeddings failed or have not finished; {_EMBED_AGAIN}"
    raise TaskProblem(f"{folder}: no {SCORES_FILE}: {reason}")


def read_whole_object(file: pathlib.Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file.

    `remedy` says what to do where it is damaged.

    Raises:
        TaskProblem: it holds no whole JSON object.
        OSError: it cannot be read.
    """
    try:
        content = read_json(file)
    except ValueError as error:
        raise TaskProblem(f"{file}: damaged or half-written ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise TaskProblem(f"{file}: expected a JSON object, got {type(content).__name__}; {remedy}")
    return content


def _read_metadata(folder: pathlib.Path, task: HearTask | None) -> dict[str, Any]:
    """The task's metadata, {} where there are none."""
    file = folder / METADATA_FILE
    if not file.exists():
        return {}
    metadata = read_whole_object(file, _EMBED_AGAIN)
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
    if deviation < 0:
        raise TaskProblem(f"{file}: test_score_std: expected 0 or more, got {deviation:g}; {_PREDICT_AGAIN}")
    if values:
        _check_folded(file, "test_score_mean", mean, "mean", statistics.fmean(values), len(values))
    if len(values) > 1:
        _check_folded(file, "test_score_std", deviation, "standard deviation", statistics.stdev(values), len(values))
    return mean, deviation


def _check_folded(file: pathlib.Path, key: str, value: float, what: str, of_folds: float, folds: int) -> None:
    if not math.isclose(value, of_folds, rel_tol=1e-6, abs_tol=1e-6):
        raise TaskProblem(
            f"{file}: {key} {value:g} is not the {what} of its {folds} folds, {of_folds:g}; {_PREDICT_AGAIN}"
        )


def _number(file: pathlib.Path, name: str, value: Any, task: HearTask | None) -> float:
    if not is_number(value):
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
        return read_whole_object(file, _PREDICT_AGAIN)
    own = [run for run in runs if run.directory == folder.name]
    if own and own[-1].results is None:
        raise TaskProblem(
            f"{folder}: the last predictions did not finish (see {LOG_FILE}), so its scores are older ones; "
            "run the predictions again"
        )
    return {}
