"""What the scores of a task depend on: noted with trainings and results, and compared."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hear_cacophony.files.file_identity import ContentDigests
from hear_tasks.predict.task import Task, read_task_json
from hear_tasks.task_folder import METADATA_FILE, PREDICTED_FILE, VOCABULARY_FILE, TaskError

ENGINE = "hear_cacophony 1"
"""Who has predicted, with another number whenever the same run gets other scores than before."""

_OF_SPLIT = (
    "embeddings.npy",
    "embedding-dimensions.json",
    "target-labels.pkl",
    "filename-timestamps.json",
    "json",
)
_ROUNDING = ("threads", "device", "torch")
"""With others, finished scores are as good; trainings of one task are not mixed."""

_DIGESTS = ContentDigests()
_AGAIN = f"delete {PREDICTED_FILE} in it to predict the task again"


def digest_inputs(task: Task) -> dict[str, str]:
    """Digests of the contents of the files that the scores of a task depend on, by their names."""
    names = [METADATA_FILE, VOCABULARY_FILE, *(f"{split}.{kind}" for split in task.splits for kind in _OF_SPLIT)]
    return _digest(task.folder, names)


def _digest(folder: pathlib.Path, names: Iterable[str]) -> dict[str, str]:
    return {name: _DIGESTS.of(folder / name) for name in names if (folder / name).exists()}


def list_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How an earlier run differs from one that is asked for now, in what is given of that."""
    told = []
    for name, value in now.items():
        if name == "inputs":
            told += _list_changes(earlier.get(name, {}), value)
        elif earlier.get(name) != value:
            told.append(f"{name} {earlier.get(name)} (now: {value})")
    return told


def _list_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    changed = [f"another {name}" for name in after if name in before and after[name] != before[name]]
    gone = [f"{name}, which is gone" for name in before if name not in after]
    return changed + gone + [f"no {name}" for name in after if name not in before]


def _decisive_differences(done: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """How a finished run differs in what its scores depend on; the mark of another program tells of less."""
    deciding = {name: value for name, value in run.items() if name in done and name not in _ROUNDING}
    return ", ".join(list_differences(done, deciding))


def compare_finished(folder: pathlib.Path, asked: Mapping[str, Any]) -> str:
    """How finished predictions differ from those that are asked for; "" where they do not.

    Embeddings may go once there are scores: files that are gone are no difference.

    Args:
        folder: of the task's embeddings.
        asked: `grid`, `grid_points` and `seeds`; what else is there is left aside.

    Raises:
        TaskError: their mark is damaged.
    """
    done = _read_done(folder)
    there = _digest(folder, done.get("inputs", {}))
    noted = {name: digest for name, digest in done.get("inputs", {}).items() if name in there}
    return _decisive_differences({**done, "inputs": noted}, {**asked, "engine": ENGINE, "inputs": there})


def _read_done(folder: pathlib.Path) -> dict[str, Any]:
    file = folder / PREDICTED_FILE
    done = read_task_json(file, dict, _AGAIN)
    inputs = done.get("inputs", {})
    if not isinstance(inputs, dict):
        raise TaskError(f'{file}: expected digests by file as "inputs", got {inputs!r}; {_AGAIN}')
    return done


def check_done(task: Task, run: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    """Check that a finished run is the one that is asked for.

    Raises:
        TaskError: it is another one; the message says how.
    """
    done = _read_done(task.folder)
    differences = _decisive_differences(done, run)
    if differences:
        raise TaskError(
            f"{task.folder}: predicted already with {differences}; nothing was done: bring that back (what is lost: "
            f"embed the task again), or {_AGAIN}"
        )
    rounding = list_differences(done, {name: run[name] for name in _ROUNDING if name in done})
    if rounding:
        tell(f"predicted already with {', '.join(rounding)}; kept")
    if "inputs" not in done:
        tell(f"{PREDICTED_FILE} does not tell of which files; kept")


def check_unchanged(task: Task, run: Mapping[str, Any]) -> None:
    """Raise TaskError where a file has changed since a run began."""
    differences = list_differences(run, {"inputs": digest_inputs(task)})
    if differences:
        raise TaskError(
            f"{task.folder}: changed while it was predicted, which began with {', '.join(differences)}; nothing was "
            "written: run the same command again, which does all anew"
        )
