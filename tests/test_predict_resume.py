"""Predictions that were killed go on where they were, to the same result; finished ones are not made again."""

from __future__ import annotations

import json
import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys
import time

import pytest
from embeddings_on_disk import make_embeddings

from hear_cacophony.files.lock import BusyError, is_held, locked_folder
from hear_tasks.predict import predict_task

pytestmark = pytest.mark.slow

FOLDS = {"split_mode": "new_split_kfold"}
RESULTS = ["fold00.predictions.pkl", "fold01.predictions.pkl", "fold02.predictions.pkl"]


class Killed(BaseException):
    """Stands for the end of the process."""


def run(task: pathlib.Path, *, trainings: int | None = None, **settings) -> list[str]:
    """Predict a task, or no more than some of its trainings; what was told."""
    told: list[str] = []

    def tell(message: str) -> None:
        told.append(message)
        if trainings is not None and sum(" left" in message for message in told) == trainings:
            raise Killed

    settings = {"grid_points": 2, "threads": 1, **settings}
    if trainings is None:
        predict_task(task, tell=tell, **settings)
    else:
        with pytest.raises(Killed):
            predict_task(task, tell=tell, **settings)
    return told


def content(task: pathlib.Path) -> tuple:
    """Scores without times, and the predictions."""
    scores = json.loads((task / "test.predicted-scores.json").read_text())
    for part in (*scores.values(),):
        if isinstance(part, dict):
            for name in [name for name in part if name.startswith("time_in_min")]:
                del part[name]
    del scores["embedding_path"]
    # Not bytes: torch pickles addresses with its tensors.
    predictions = [pickle.loads((task / name).read_bytes()) for name in RESULTS]
    return scores, [{key: tensor.numpy().tobytes() for key, tensor in each.items()} for each in predictions]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> pathlib.Path:
    """A task predicted in one go."""
    task = make_embeddings(tmp_path_factory.mktemp("whole") / "task-v1-full", [30, 20, 25], **FOLDS)
    run(task)
    return task


@pytest.fixture
def task(whole, tmp_path) -> pathlib.Path:
    """The same task, not predicted."""
    task = tmp_path / whole.name
    shutil.copytree(whole, task, ignore=shutil.ignore_patterns("prediction*", "*predict*"))
    return task


@pytest.mark.parametrize("trainings", [1, 2, 3, 4])
def test_a_killed_run_goes_on_to_the_same_result(whole, task, trainings):
    assert len(run(task, trainings=trainings)) == trainings
    told = run(task)
    assert [message.endswith("done before") for message in told[:4]] == [True] * trainings + [False] * (4 - trainings)
    assert content(task) == content(whole)
    assert [path.name for path in task.parent.iterdir()] == [task.name]


def test_processes_killed_anywhere_go_on_to_the_same_result(whole, task):
    code = f"""
import os, random, signal
from hear_cacophony.files import atomic_write
from hear_tasks.predict import predict_task, work_folder, results
write, left = atomic_write.write_bytes, [int(os.environ["WRITES"])]
def write_and_die(path, data):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)
work_folder.write_bytes = results.write_bytes = write_and_die
predict_task({str(task)!r}, grid_points=2, threads=1)
"""
    for writes in (1, 3, 3):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "WRITES": str(writes)}, capture_output=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    told = run(task)
    assert sum(message.endswith("done before") for message in told) == 4
    assert content(task) == content(whole)
    assert [path.name for path in task.parent.iterdir()] == [task.name]
    assert not list(task.glob(".*"))


@pytest.mark.parametrize(
    ("settings", "reason"), [({"grid_points": 3}, "other grid points"), ({"threads": 2}, "other threads")]
)
def test_work_with_other_settings_is_done_again(task, settings, reason):
    run(task, trainings=1)
    told = run(task, trainings=1, **settings)
    assert told[0] == f"begun before with {reason}; done again"


def test_work_on_other_embeddings_is_done_again(task):
    run(task, trainings=1)
    file = task / "fold01.embeddings.npy"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    assert run(task, trainings=1)[0] == "begun before with other embeddings; done again"


def test_a_task_that_another_process_predicts_is_left_alone(task):
    with locked_folder(task.parent / f".predicting-{task.name}"), pytest.raises(BusyError, match="another process"):
        run(task)


def test_a_finished_task_is_not_predicted_again(whole):
    before = (whole / "test.predicted-scores.json").stat().st_mtime_ns
    assert run(whole) == []
    for file in whole.glob("*.embeddings.npy"):
        os.utime(file)
    assert run(whole) == []
    assert (whole / "test.predicted-scores.json").stat().st_mtime_ns == before


def test_scores_of_other_embeddings_are_not_taken_for_these(whole, tmp_path):
    task = tmp_path / whole.name
    shutil.copytree(whole, task)
    file = task / "fold02.embeddings.npy"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ValueError, match="scores are of an earlier run with other embeddings or labels; delete"):
        run(task)


@pytest.mark.parametrize(
    ("settings", "difference"),
    [({"grid_points": 3}, r"grid_points 2 \(now: 3\)"), ({"grid": "fast"}, r"grid default \(now: fast\)")],
)
def test_finished_predictions_with_other_settings_are_not_taken_for_these(whole, settings, difference):
    with pytest.raises(ValueError, match=f"predicted already with {difference}; delete prediction-done.json"):
        run(whole, **settings)


def test_the_mark_of_heareval_itself_is_enough(task):
    (task / "prediction-done.json").write_text(json.dumps({"time": 1.0, "grid_points": 2}))
    assert run(task) == []
    with pytest.raises(ValueError, match="grid_points 2"):
        run(task, grid_points=8)


def test_scores_whose_mark_was_deleted_are_made_again(whole, tmp_path):
    task = tmp_path / whole.name
    shutil.copytree(whole, task)
    (task / "prediction-done.json").unlink()
    assert run(task)[0] == "no prediction-done.json beside the scores of an earlier run, which are made again"
    assert content(task) == content(whole)


def test_a_request_to_terminate_ends_all_processes(tmp_path):
    grid = {"max_epochs": [1_000_000], "patience": [1_000_000]}
    tasks = [make_embeddings(tmp_path / f"{name}-v1-full", [30, 20, 25], grid=grid) for name in ("a", "b")]
    command = [sys.executable, "-m", "hear_tasks.cli", "predict", "--jobs", "2", "--threads", "1"]
    process = subprocess.Popen([*command, *map(str, tasks)], stderr=subprocess.PIPE, text=True)
    logs = [task / "prediction.log" for task in tasks]
    while process.poll() is None and not all(log.exists() and log.stat().st_size for log in logs):
        time.sleep(0.02)
    process.terminate()
    assert process.communicate()[1] == "predict: interrupted; the same command goes on where this one was\n"
    assert process.returncode == 130
    assert not any(is_held(tmp_path / f".predicting-{task.name}" / "lock") for task in tasks)
