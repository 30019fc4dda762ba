"""Predictions that were killed go on where they were, to the same result; finished ones are not made again."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from embeddings_on_disk import EVENT_PARAMETERS, make_embeddings

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


def read_scores(task: pathlib.Path) -> dict:
    """Scores without times."""
    scores = json.loads((task / "test.predicted-scores.json").read_text())
    for part in (*scores.values(),):
        if isinstance(part, dict):
            for name in [name for name in part if name.startswith("time_in_min")]:
                del part[name]
    del scores["embedding_path"]
    return scores


def content(task: pathlib.Path) -> tuple:
    """Scores without times, and the predictions."""
    # Not bytes: torch pickles addresses with its tensors.
    predictions = [pickle.loads((task / name).read_bytes()) for name in RESULTS]
    return read_scores(task), [{key: tensor.numpy().tobytes() for key, tensor in each.items()} for each in predictions]


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
from hear_tasks.predict import predict_task, trainer, results
write, left = atomic_write.write_bytes, [int(os.environ["WRITES"])]
def write_and_die(path, data):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)
trainer.write_bytes = results.write_bytes = write_and_die
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
    ("settings", "reason"),
    [({"grid_points": 3}, r"grid_points 2 (now: 3)"), ({"threads": 2}, r"threads 1 (now: 2)")],
)
def test_work_with_other_settings_is_done_again(task, settings, reason):
    run(task, trainings=1)
    told = run(task, trainings=1, **settings)
    assert told[0] == f"begun before with {reason}; done again"


INPUTS = ["fold01.embeddings.npy", "fold02.target-labels.pkl", "labelvocabulary.csv", "task_metadata.json"]
EVENT_INPUTS = ["test.json", "valid.json", "valid.filename-timestamps.json"]


@pytest.fixture(scope="module")
def whole_event(tmp_path_factory) -> pathlib.Path:
    """An event task predicted in one go."""
    folder = tmp_path_factory.mktemp("event") / "event-v1-full"
    scores = {"scores": ["event_onset_200ms_fms"], "evaluation_params": EVENT_PARAMETERS}
    task = make_embeddings(folder, [3, 2, 2], kind="event", **scores)
    run(task)
    return task


@pytest.fixture
def changed(request, whole, whole_event, tmp_path) -> tuple[pathlib.Path, str]:
    """A finished task of which a file has changed since, but neither its size nor its time; and the file's name."""
    task = pathlib.Path(shutil.copytree(whole_event if request.param in EVENT_INPUTS else whole, tmp_path / "changed"))
    file = task / request.param
    text = {
        "labelvocabulary.csv": lambda text: text.replace("0,a\n1,b", "0,b\n1,a"),
        "task_metadata.json": lambda text: text.replace('"hidden_dim": [32]', '"hidden_dim": [33]'),
        "test.json": lambda text: text.replace('"a"', '"b"'),
        "valid.json": lambda text: text.replace("50.0", "51.0"),
        "valid.filename-timestamps.json": lambda text: text.replace("1950.0", "1951.0"),
    }.get(request.param)
    before = file.stat()
    content = file.read_bytes()
    if text:
        changed = text(content.decode()).encode()
    elif file.suffix == ".pkl":
        changed = content.replace(b"\x8c\x01a", b"\x8c\x01b", 1)
    else:
        changed = content[:-4] + b"\0\0\0\0"
    assert (len(changed), changed == content) == (len(content), False)
    file.write_bytes(changed)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return task, request.param


@pytest.mark.parametrize("changed", INPUTS + EVENT_INPUTS, indirect=True)
def test_scores_of_other_input_are_not_taken_for_these(changed):
    task, name = changed
    before = (task / "test.predicted-scores.json").read_bytes()
    with pytest.raises(ValueError, match=f"predicted already with another {re.escape(name)}; nothing was done: .* del"):
        run(task)
    assert (task / "test.predicted-scores.json").read_bytes() == before


@pytest.mark.parametrize("changed", INPUTS + EVENT_INPUTS, indirect=True)
def test_work_on_other_input_is_done_again(changed):
    """To the scores of a run that knows nothing of it."""
    task, name = changed
    mark, other = task / "prediction-done.json", task.parent / "other"
    identity = json.loads(mark.read_text())
    mark.unlink()
    shutil.copytree(task, other)
    run(task, trainings=1)
    settings = task.parent / f".predicting-{task.name}" / "settings"
    settings.write_text(json.dumps({key: identity[key] for key in json.loads(settings.read_text())}))
    assert run(task)[0] == f"begun before with another {name}; done again"
    run(other)
    assert read_scores(task) == read_scores(other)


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


@pytest.mark.parametrize(
    ("settings", "difference"),
    [({"grid_points": 3}, r"grid_points 2 \(now: 3\)"), ({"grid": "fast"}, r"grid default \(now: fast\)")],
)
def test_finished_predictions_with_other_settings_are_not_taken_for_these(whole, settings, difference):
    with pytest.raises(
        ValueError, match=f"predicted already with {difference}; nothing was done: .* delete prediction-done.json"
    ):
        run(whole, **settings)


def test_finished_predictions_on_other_threads_are_as_good(whole):
    assert run(whole, threads=2) == ["predicted already with threads 1 (now: 2); kept"]


def test_a_mark_without_scores_is_no_finished_run(task):
    (task / "prediction-done.json").write_text("{}")
    assert run(task)[-1].startswith("top1_acc")
    (task / "prediction-done.json").write_text("")
    with pytest.raises(ValueError, match=r"damaged or cut short .* delete prediction-done.json"):
        run(task)
    (task / "prediction-done.json").write_text('{"inputs": 5}')
    with pytest.raises(ValueError, match=r'expected digests by file as "inputs", got 5; delete prediction-done.json'):
        run(task)


def test_input_that_changes_meanwhile_gives_no_scores(task):
    file = task / "fold01.embeddings.npy"

    def change(_: str) -> None:
        file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")

    with pytest.raises(ValueError, match=r"changed while it was predicted, .* began with another fold01\.embeddings"):
        predict_task(task, grid_points=1, threads=1, tell=change)
    assert not (task / "test.predicted-scores.json").exists()


def test_the_mark_of_heareval_itself_is_enough(task):
    (task / "prediction-done.json").write_text(json.dumps({"time": 1.0, "grid_points": 2}))
    (task / "test.predicted-scores.json").write_text("{}")
    assert run(task) == ["prediction-done.json does not tell of which files; kept"]
    with pytest.raises(ValueError, match="grid_points 2"):
        run(task, grid_points=8)


def test_scores_whose_mark_was_deleted_are_made_again(whole, tmp_path):
    task = tmp_path / whole.name
    shutil.copytree(whole, task)
    (task / "prediction-done.json").unlink()
    assert run(task)[0] == "no prediction-done.json beside the scores of an earlier run, which are made again"
    assert content(task) == content(whole)


def test_predictions_that_are_lost_are_made_again_with_the_same_settings_alone(whole, tmp_path):
    task = tmp_path / whole.name
    shutil.copytree(whole, task)
    (task / RESULTS[0]).unlink()
    (task / RESULTS[2]).write_bytes(b"")
    with pytest.raises(ValueError, match=r"predicted already with grid_points 2 \(now: 3\); nothing was done"):
        run(task, grid_points=3)
    assert run(task)[0] == f"{RESULTS[0]}, {RESULTS[2]}: gone or cut since the task was done; it is predicted again"
    assert content(task) == content(whole)
    assert run(task) == []


def processes_of(session: int) -> list[str]:
    """The processes of a session, by what they run, but for the one that clears up when all others have ended."""
    found = []
    for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[3]) == session:
                found.append((file.parent / "cmdline").read_text().replace("\0", " "))
    return [command for command in found if command and "resource_tracker" not in command]  # "": its memory is gone


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "a server of processes"),
        (signal.SIGTERM, "a process of a task"),
        (signal.SIGINT, "training"),
    ],
)
def test_a_request_to_end_ends_all_processes(tmp_path, number, moment):
    """Whenever it comes: also while processes are started."""
    grid = {"max_epochs": [1_000_000], "patience": [1_000_000]}
    tasks = [make_embeddings(tmp_path / f"{name}-v1-full", [30, 20, 25], grid=grid) for name in ("a", "b")]
    command = [sys.executable, "-m", "hear_tasks.cli", "predict", "--jobs", "2", "--threads", "1"]
    process = subprocess.Popen([*command, *map(str, tasks)], stderr=subprocess.PIPE, text=True, start_new_session=True)
    logs = [task / "prediction.log" for task in tasks]

    def has_come() -> bool:
        if moment == "training":
            return all(log.exists() and log.stat().st_size for log in logs)
        servers = sum("forkserver" in command for command in processes_of(process.pid))
        return servers >= ["a server of processes", "a process of a task"].index(moment) + 1

    while process.poll() is None and not has_come():
        time.sleep(0.005)
    process.send_signal(number)
    assert process.communicate()[1] == "predict: interrupted; the same command goes on where this one was\n"
    assert process.returncode == 128 + number
    assert processes_of(process.pid) == []
    assert not any(is_held(tmp_path / f".predicting-{task.name}" / "lock") for task in tasks)


TORCH_IS_LOADED = """
def hook(name, values):
    if name == "import" and values[0] == "numpy._core.multiarray":
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(hook)
"""

A_PROCESS_IS_ASKED_FOR = """
import multiprocessing.reduction as reduction
send = reduction.sendfds
reduction.sendfds = lambda *what: [os.kill(os.getpid(), signal.SIGINT), send(*what)]
"""


@pytest.mark.parametrize("moment", [TORCH_IS_LOADED, A_PROCESS_IS_ASKED_FOR])
def test_a_request_to_end_has_to_wait(tmp_path, moment):
    """torch imports numpy in C++, where exceptions are dropped; the server of processes complains of a cut request."""
    last = 'from hear_tasks.cli import main; sys.exit(main(["predict", "--jobs", "2", *sys.argv[1:]]))'
    tasks = [make_embeddings(tmp_path / f"{name}-v1-full", [30, 20, 25]) for name in ("a", "b")]
    command = [sys.executable, "-c", f"import os, signal, sys\n{moment}\n{last}", *map(str, tasks)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.communicate()[1] == "predict: interrupted; the same command goes on where this one was\n"
    assert process.returncode == 130
    assert processes_of(process.pid) == []
