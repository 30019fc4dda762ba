"""How scores were made: the hyperparameters that heareval recorded, beside the grid of the official leaderboard.

The scores file records the hyperparameters of the best grid point only; the log, where there is one, those of all.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hear_cacophony.files.json_file import parse_json
from hear_tasks.grids import DEFAULT_GRID, GRID_POINTS, Grid
from hear_tasks.registry import HearTask

_RUN_START = re.compile(r" - Computing predictions for (.+)$", re.MULTILINE)
_RUN_POINT = re.compile(r" -  result: (\[.*\])$", re.MULTILINE)
_RUN_RESULTS = re.compile(r" - Final Test Results: (\{.*\})$", re.MULTILINE)
_RUN_END = re.compile(r" - DONE took .*\bgrid_points=(\d+),.*\bgrid=(\w+)\)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of the prediction runner, from its log.

    Attributes:
        directory: the task it was for. heareval has one logger for each task name, so that a log may hold
            the runs of other directories and of other models too.
        points: hyperparameters of each grid point.
        validations: score and epoch of the best validation of each grid point, None where the log does not tell.
        results: what it wrote as scores, None if it did not come so far.
        grid_points: how many it was asked for, None if it did not finish.
        grid: name of the grid, "" if it did not finish.
    """

    directory: str
    points: tuple[dict[str, Any], ...]
    validations: tuple[tuple[float, int] | None, ...]
    results: dict[str, Any] | None
    grid_points: int | None
    grid: str


def read_runs(log: pathlib.Path) -> list[Run]:
    """The runs in a log of the prediction runner, oldest first; [] where there is no log.

    Raises:
        OSError: it cannot be read.
    """
    if not log.exists():
        return []
    text = log.read_text(encoding="utf-8", errors="replace")
    starts = list(_RUN_START.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    return [_read_run(start[1], text[start.end() : end]) for start, end in zip(starts, ends, strict=True)]


def _read_run(directory: str, text: str) -> Run:
    results, end = _RUN_RESULTS.search(text), _RUN_END.search(text)
    points = [_parse(match[1]) for match in _RUN_POINT.finditer(text)]
    return Run(
        directory=directory,
        points=tuple(map(_hyperparameters, points)),
        validations=tuple(map(_validation, points)),
        results=_parse(results[1]) if results else None,
        grid_points=int(end[1]) if end else None,
        grid=end[2] if end else "",
    )


def _parse(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return None


def _hyperparameters(point: Any) -> dict[str, Any]:
    """Those of one grid point; heareval logs its validation score, epoch, hyperparameters and postprocessing."""
    return point[2] if isinstance(point, list) and len(point) > 2 and isinstance(point[2], dict) else {}


def _validation(point: Any) -> tuple[float, int] | None:
    if not isinstance(point, list) or len(point) < 2:
        return None
    score, epoch = point[:2]
    return (float(score), epoch) if isinstance(score, int | float) and isinstance(epoch, int) else None


def find_run(runs: Iterable[Run], scores: dict[str, Any]) -> Run | None:
    """The run that wrote these scores, None where the log does not tell."""
    # As text, for scores may hold NaN, which equals nothing.
    return next((run for run in runs if json.dumps(run.results) == json.dumps(scores)), None)


def official_grids(task: HearTask | None, metadata: Mapping[str, Any]) -> list[Grid]:
    """The grids that the scores of a task may come from; a task of one's own may bring changes in its metadata."""
    if task is not None:
        own = {
            "max_epochs": (task.training.max_epochs,),
            "check_val_every_n_epoch": (task.training.check_every,),
        }
        # Those of MAESTRO are in the metadata of the task, which older copies do not have.
        return [{**DEFAULT_GRID, **own}, *([DEFAULT_GRID] if task.name == "maestro" else [])]
    parameters = metadata.get("evaluation_params")
    changes = parameters.get("task_specific_param_grid") if isinstance(parameters, dict) else None
    if not isinstance(changes, dict):
        return [DEFAULT_GRID]
    return [{**DEFAULT_GRID, **{name: tuple(values) for name, values in changes.items() if isinstance(values, list)}}]


def check_grid(
    best: Any, grid_points: int | None, run: Run | None, grids: Sequence[Grid]
) -> tuple[list[str], tuple[str, ...]]:
    """How scores were made, beside the grids that they may come from.

    Args:
        best: "hparams" of the scores file.
        grid_points: how many were tried, None where it is not recorded.
        run: what the log tells of it, None without a log.
        grids: the nearest of them counts.

    Returns:
        One entry for each difference, and the names of what is not recorded.
    """
    if not isinstance(best, dict) or not best:
        return ["hyperparameters not recorded"], ()
    points = (best, *(run.points if run else ()))
    differences = min((_differences(points, grid) for grid in grids), key=len)
    if grid_points not in (None, GRID_POINTS):
        differences.append(f"grid points {grid_points} (official: {GRID_POINTS})")
    if run and run.grid not in ("", "default"):
        differences.append(f"grid {run.grid} (official: default)")
    unrecorded = [name for name in DEFAULT_GRID if name not in best]
    return differences, tuple(unrecorded if grid_points is not None else [*unrecorded, "grid points"])


def _differences(points: Iterable[dict[str, Any]], grid: Grid) -> list[str]:
    """How the hyperparameters of some grid points differ from a grid: one entry for each that does."""
    found: dict[str, dict[str, None]] = {}
    for point in points:
        for name, value in point.items():
            plain = plain_hyperparameter(value)
            if not any(_equal(plain, official) for official in grid.get(name, ())):
                found.setdefault(name, {})[str(plain)] = None
    official = {name: " or ".join(map(str, grid.get(name, ("none",)))) for name in found}
    return [f"{name} {' and '.join(found[name])} (official: {official[name]})" for name in found]


def plain_hyperparameter(value: Any) -> Any:
    """The bare name where heareval has written a class or function as text, such as "<class 'torch.nn.Identity'>"."""
    match = re.search(r"(\w+)(?: at 0x\w+)?'?>$", value) if isinstance(value, str) else None
    return match[1] if match else value


def _equal(value: Any, official: Any) -> bool:
    if isinstance(value, float) and isinstance(official, float):
        return math.isclose(value, official)
    return value == official
