"""Scores of heareval's prediction runner, read and printed as a table."""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib

SCORES_FILE = "test.predicted-scores.json"
WEIGHTS_FILE = "weights.json"
"""Written beside a model's embeddings: {"weights": file name or "untrained", "md5": ...}."""


@dataclasses.dataclass(frozen=True)
class Score:
    """The primary score of one model on one task; `deviation` is None without folds."""

    model: str
    weights: str
    task: str
    metric: str
    value: float
    deviation: float | None
    chance: float | None


def read_scores(embeddings: pathlib.Path) -> list[Score]:
    """Scores under `embeddings`/MODEL/TASK, by task and model.

    Raises:
        ValueError: there is none, or a file is damaged; the message names it.
    """
    files = sorted(embeddings.glob(f"*/*/{SCORES_FILE}"))
    if not files:
        raise ValueError(f"{embeddings}: expected MODEL/TASK/{SCORES_FILE}, found none; did the predictions run?")
    return sorted((_read(file) for file in files), key=lambda score: (score.task, score.model))


def _read(file: pathlib.Path) -> Score:
    task = file.parent
    try:
        scores = json.loads(file.read_text())
        metadata = json.loads((task / "task_metadata.json").read_text())
        if "aggregated_scores" in scores:
            value = scores["aggregated_scores"]["test_score_mean"]
            deviation = scores["aggregated_scores"]["test_score_std"]
        else:
            value, deviation = scores["test"]["test_score"], None
        metric = metadata["evaluation"][0]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{file}: not a whole scores file ({error!r}); run the predictions again") from error
    return Score(
        model=task.parent.name,
        weights=_weights(task.parent),
        task=metadata["task_name"],
        metric=metric,
        value=value,
        deviation=deviation,
        chance=_chance(task, metadata),
    )


def _weights(model: pathlib.Path) -> str:
    file = model / WEIGHTS_FILE
    return json.loads(file.read_text())["weights"] if file.exists() else "unknown"


def _chance(task: pathlib.Path, metadata: dict) -> float | None:
    """Accuracy of guessing among the labels; None for other scores."""
    if metadata["evaluation"][0] != "top1_acc":
        return None
    with (task / "labelvocabulary.csv").open(newline="") as file:
        return 1 / sum(1 for _ in csv.DictReader(file))


def format_table(scores: list[Score]) -> str:
    """The scores as a table of text."""
    head = ("task", "model", "weights", "score", "", "chance")
    rows = [head, *(_cells(score) for score in scores)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cells(score: Score) -> tuple[str, ...]:
    deviation = "" if score.deviation is None else f" ± {score.deviation:.3f}"
    chance = "" if score.chance is None else f"{score.chance:.3f}"
    return score.task, score.model, score.weights, score.metric, f"{score.value:.3f}{deviation}", chance
