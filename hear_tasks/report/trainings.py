"""How a score came about: each training with its validations, from our file, or as far as heareval's log tells."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from hear_cacophony.files.json_file import read_json
from hear_tasks.leaderboard import find_run, read_runs
from hear_tasks.task_folder import LOG_FILE, TRAININGS_FILE


@dataclasses.dataclass(frozen=True)
class TrainingRecord:
    """One training.

    Attributes:
        test: the split that a network with these hyperparameters would be tested on, "" where that is not known.
        hparams: its hyperparameters.
        score: of its best validation, None where that is not known.
        epoch: of it, from 0.
        validations: epoch and score of each; () where they were not kept.
        chosen: whether it is the one that was tested.
    """

    test: str
    hparams: Mapping[str, Any]
    score: float | None
    epoch: int | None
    validations: tuple[tuple[int, float | None], ...]
    chosen: bool


def read_trainings(folder: pathlib.Path, scores: Mapping[str, Any]) -> tuple[list[TrainingRecord], str]:
    """The trainings of a task, the grid search first, and what is not known of them: "" if nothing.

    Args:
        folder: EMBEDDINGS/MODEL/TASK.
        scores: the content of its scores file.
    """
    parts = {name: part for name, part in scores.items() if isinstance(part, dict) and "test_score" in part}
    records = _from_our_file(folder / TRAININGS_FILE, parts, scores)
    if records:
        return records, ""
    try:
        run = find_run(read_runs(folder / LOG_FILE), dict(scores))
    except OSError as error:
        return [], f"{LOG_FILE} cannot be read ({error}), so only the chosen hyperparameters are known"
    if run is None:
        return [], f"no {LOG_FILE} of these scores is there, so only the chosen hyperparameters are known"
    test = next(iter(parts), "")
    chosen = _number_of_chosen(run.points, scores.get("hparams"))
    records = []
    for number, (point, outcome) in enumerate(zip(run.points, run.validations, strict=True)):
        score, epoch = outcome or (None, None)
        records.append(TrainingRecord(test, point, score, epoch, (), number == chosen))
    return records, f"no {TRAININGS_FILE} is there: the scores of single validations were not kept"


def _number_of_chosen(points: tuple[dict[str, Any], ...], best: Any) -> int | None:
    return next((number for number, point in enumerate(points) if point == best), None)


def _from_our_file(
    file: pathlib.Path, parts: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Any]
) -> list[TrainingRecord]:
    """[] where the file is not there, is damaged, or is of another run than the scores."""
    try:
        rows = read_json(file)["trainings"]
        records = [_record(row, parts, scores.get("hparams")) for row in rows]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []
    chosen = {record.test for record in records if record.chosen}
    return records if chosen == set(parts) else []


def _record(row: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]], best: Any) -> TrainingRecord:
    test = row["partition"]["test"][0]
    found = parts.get(test, {})
    ours = [row["hparams"], row["epoch"], row["validation_score"]]
    # As text, for scores may be NaN, which equals nothing.
    chosen = json.dumps(ours) == json.dumps([best, found.get("epoch"), found.get("validation_score")])
    validations = tuple((int(epoch), score) for epoch, score in row["validations"])
    return TrainingRecord(test, row["hparams"], row["validation_score"], row["epoch"], validations, chosen)
