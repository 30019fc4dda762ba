"""The files that heareval's prediction runner leaves in the folder of a task: log, predictions, scores, done mark."""

from __future__ import annotations

import json
import logging
import pathlib
import pickle
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hear_cacophony.files.atomic_write import write_bytes
from hear_tasks.partitions import Partition
from hear_tasks.predict.evaluation import Test
from hear_tasks.predict.grids import Configuration, to_json
from hear_tasks.predict.task import Task
from hear_tasks.predict.training import Training
from hear_tasks.task_folder import LOG_FILE, PREDICTED_FILE, SCORES_FILE, TRAININGS_FILE, lost_files_of
from hear_tasks.text_files import read_object_if_whole

PREDICTIONS = "predictions"
"""What the mark of done calls the files with predictions."""

_FORMAT = "predict - %(name)s - %(asctime)s - %(msecs)d - %(message)s"


class Log:
    """Writes the log of heareval's runner, from which the grid of a run can be read."""

    def __init__(self, task: Task) -> None:
        self._name = task.metadata["task_name"]
        self._file = (task.folder / LOG_FILE).open("a", encoding="utf-8", errors="backslashreplace")
        self._formatter = logging.Formatter(_FORMAT)

    def __call__(self, message: str) -> None:
        record = logging.LogRecord(self._name, logging.INFO, "", 0, message, None, None)
        self._file.write(self._formatter.format(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def describe_training(configuration: Configuration, training: Training) -> str:
    """A grid point as heareval logs it."""
    return json.dumps((training.score, training.epoch, to_json(configuration), training.postprocessing))


def write_predictions(task: Task, partition: Partition, test: Test) -> None:
    """Write the predictions for a test split."""
    write_bytes(task.folder / _predictions_file(partition), pickle.dumps(test.predictions))


def _predictions_file(partition: Partition) -> str:
    return f"{partition.test}.predictions.pkl"


def write_trainings(task: Task, trained: Sequence[tuple[Partition, Configuration, Training]]) -> None:
    """Write what heareval does not keep: every validation of every training, the grid search first."""
    rows = [
        {
            "partition": partition.to_json(),
            "hparams": to_json(configuration),
            **_outcome(training),
            "validations": training.validations,
        }
        for partition, configuration, training in trained
    ]
    write_notes(task, TRAININGS_FILE, {"trainings": rows})


def _outcome(training: Training) -> dict[str, Any]:
    return {"validation_score": training.score, "epoch": training.epoch, "time_in_min": training.minutes}


def make_scores(
    task: Task,
    configuration: Configuration,
    trainings: Sequence[Training],
    tests: Mapping[str, Mapping[str, float]],
    marks: Mapping[str, str],
) -> dict[str, Any]:
    """The content of the scores file.

    `tests` are in the order of the partitions; `marks` tell them from heareval's own.
    """
    scores: dict[str, Any] = {
        name: {**test, **_outcome(training)} for (name, test), training in zip(tests.items(), trainings, strict=True)
    }
    if len(tests) > 1:
        scores["aggregated_scores"] = _aggregate(scores)
    return {
        **scores,
        "hparams": to_json(configuration),
        "postprocessing": trainings[0].postprocessing or [],
        "score_mode": "max" if task.maximizes else "min",
        "embedding_path": str(task.folder),
        **marks,
    }


def _aggregate(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean and standard deviation over the folds as heareval has them: a fold without a score is left out."""
    aggregated = {}
    for name in next(iter(scores.values())):
        values = np.array([fold[name] for fold in scores.values()], np.float64)
        aggregated[f"{name}_mean"], aggregated[f"{name}_std"] = _moments(values)
    return aggregated


def _moments(values: NDArray[np.float64]) -> tuple[float, float]:
    with np.errstate(all="ignore"), warnings.catch_warnings():  # no fold, one fold, or infinite scores
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(np.nanmean(values)), float(np.nanstd(values, ddof=1))


def write_notes(task: Task, name: str, content: Mapping[str, Any]) -> None:
    """Write one of heareval's files about a finished task: its scores, or the mark that it is done."""
    write_bytes(task.folder / name, json.dumps(content, indent=4).encode())


def prediction_sizes(task: Task) -> dict[str, int]:
    """Bytes of the files with predictions, by their names, as the mark of done has them."""
    names = [_predictions_file(partition) for partition in task.partitions]
    return {name: (task.folder / name).stat().st_size for name in names}


def lost_predictions(folder: pathlib.Path) -> list[str]:
    """Files with predictions that a finished task had and that are gone or cut; heareval's own mark tells of none."""
    sizes = read_object_if_whole(folder / PREDICTED_FILE).get(PREDICTIONS)
    return list(lost_files_of(folder, sizes)) if isinstance(sizes, dict) else []


def is_done(folder: pathlib.Path) -> bool:
    """Whether the predictions of a task are finished, and still there."""
    return all((folder / name).exists() for name in (PREDICTED_FILE, SCORES_FILE)) and not lost_predictions(folder)
