"""Scores of heareval's prediction runner, read and printed as a table."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import pathlib
from typing import Any

SCORES_FILE = "test.predicted-scores.json"
WEIGHTS_FILE = "weights.json"
"""Written beside a model's embeddings: {"weights": file name or "untrained"}."""


@dataclasses.dataclass(frozen=True)
class Score:
    """The primary score of one model on one task.

    Attributes:
        model: its folder of embeddings.
        weights: the name of their file, "untrained", or "unknown".
        task: name of the task.
        metric: name of the primary score.
        value: the score; with folds, their mean.
        deviation: standard deviation over the folds, None without them.
        chance: the score of guessing, None where there is no saying.
        seconds: embedding and prediction together, None where heareval did not note them.
    """

    model: str
    weights: str
    task: str
    metric: str
    value: float
    deviation: float | None
    chance: float | None
    seconds: float | None


def read_scores(embeddings: pathlib.Path) -> list[Score]:
    """Scores under `embeddings`/MODEL/TASK, by task and model.

    Raises:
        ValueError: there is none, a task has none, or a file is damaged; the message names it.
    """
    tasks = sorted(task for task in embeddings.glob("*/*") if task.is_dir())
    if not tasks:
        raise ValueError(f"{embeddings}: expected MODEL/TASK/{SCORES_FILE}, found none; did the predictions run?")
    missing = [str(task.relative_to(embeddings)) for task in tasks if not (task / SCORES_FILE).is_file()]
    if missing:
        raise ValueError(
            f"{embeddings}: expected {SCORES_FILE} of each task, found none in {', '.join(missing)}; "
            "run the predictions again"
        )
    return sorted((_read(task) for task in tasks), key=lambda score: (score.task, score.model))


def _read(task: pathlib.Path) -> Score:
    try:
        value, deviation = _primary_score(json.loads((task / SCORES_FILE).read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{task / SCORES_FILE}: not a whole scores file ({error!r}); predict again") from error
    try:
        metadata = json.loads((task / "task_metadata.json").read_text())
        name, metric = metadata["task_name"], metadata["evaluation"][0]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{task / 'task_metadata.json'}: not the metadata of a task ({error!r})") from error
    return Score(
        model=task.parent.name,
        weights=_weights(task.parent / WEIGHTS_FILE),
        task=name,
        metric=metric,
        value=value,
        deviation=deviation,
        chance=_chance(task, metric),
        seconds=_seconds(task),
    )


def _primary_score(scores: dict[str, Any]) -> tuple[float, float | None]:
    """The score, and its deviation over the folds."""
    if "aggregated_scores" in scores:
        folds = scores["aggregated_scores"]
        return _number(folds["test_score_mean"]), _number(folds["test_score_std"])
    return _number(scores["test"]["test_score"]), None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)


def _weights(file: pathlib.Path) -> str:
    if not file.exists():
        return "unknown"
    try:
        return str(json.loads(file.read_text())["weights"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{file}: expected {{"weights": file name or "untrained"}} ({error!r})') from error


def _seconds(task: pathlib.Path) -> float | None:
    """What heareval noted for both its runners."""
    notes = {"profile.embeddings.json": "time_elapsed", "prediction-done.json": "time"}
    try:
        return sum(_number(json.loads((task / file).read_text())[key]) for file, key in notes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _chance(task: pathlib.Path, metric: str) -> float | None:
    """Accuracy of guessing among the labels; None for other scores."""
    if metric != "top1_acc":
        return None
    with (task / "labelvocabulary.csv").open(newline="") as file:
        return 1 / sum(1 for _ in csv.DictReader(file))


def format_table(scores: list[Score]) -> str:
    """The scores as a table of text."""
    head = ("task", "model", "weights", "score", "", "chance", "seconds")
    rows = [head, *(_cells(score) for score in scores)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cells(score: Score) -> tuple[str, ...]:
    deviation = "" if score.deviation is None else f" ± {score.deviation:.3f}"
    chance = "" if score.chance is None else f"{score.chance:.3f}"
    seconds = "" if score.seconds is None else f"{score.seconds:.0f}"
    return score.task, score.model, score.weights, score.metric, f"{score.value:.3f}{deviation}", chance, seconds
