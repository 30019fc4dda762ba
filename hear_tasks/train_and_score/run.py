"""The parts of `train_and_score`, one after another."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

from hear_cacophony.files.atomic_write import write_file, write_json, write_text
from hear_cacophony.files.json_file import read_json
from hear_cacophony.model.stages import find_stage
from hear_tasks.child_process import run_module
from hear_tasks.leaderboard import Model, read_models
from hear_tasks.train_and_score.curve import format_curve, plot_curve

BASELINE = "hear_cacophony.logmel"

_RECORD = "train_and_score.json"


class _Failed(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained, and how it is scored.

    Attributes:
        out: folder of all that is written.
        training: arguments of `hear-cacophony train`, the stage first.
        steps: to score at, in order.
        tasks_dir: folder of HEAR tasks; None for the demo tasks.
        tasks: only these; none for all.
        grid_points: of heareval's grid.
    """

    out: pathlib.Path
    training: tuple[str, ...]
    steps: tuple[int, ...]
    tasks_dir: pathlib.Path | None
    tasks: tuple[str, ...]
    grid_points: int


def train_and_score(plan: Plan) -> int:
    """Do what a plan says, and print the table; 0, or the exit status of the part that did not succeed.

    Raises:
        ValueError: the folder holds the scores of another training, or of other predictions.
    """
    _claim(plan)
    try:
        if plan.tasks_dir is None:
            _command("demo-tasks", str(plan.out / "tasks"), *_option("--task", plan.tasks))
        models = [_score(plan, "logmel", ["--module", BASELINE])]
        for step in plan.steps:
            models.append(_score(plan, f"step-{step:07}", ["--model", str(_checkpoint(plan, step))]))
            _report(plan, models)
    except _Failed as failed:
        return failed.status
    print((plan.out / "scores.txt").read_text(encoding="utf-8"), end="")
    print(f"train_and_score: the same as a picture: {plan.out / 'scores.png'}")
    return 0


def _claim(plan: Plan) -> None:
    """Keep the folder to one training and one way of scoring; the steps may be others."""
    file, ours = plan.out / _RECORD, {"training": list(plan.training), "grid_points": plan.grid_points}
    if not file.exists():
        plan.out.mkdir(parents=True, exist_ok=True)
        write_json(file, ours)
        return
    try:
        noted = read_json(file)
    except ValueError as error:
        raise ValueError(f"{file}: damaged ({error}); which training are the scores beside it of?") from error
    if noted != ours:
        raise ValueError(f"{plan.out}: holds the scores of {noted}, got {ours}; choose another folder")


def _checkpoint(plan: Plan, step: int) -> pathlib.Path:
    """The checkpoint of a step, kept beside the run, which goes on."""
    file = plan.out / "checkpoints" / f"step-{step:07}.ckpt"
    if not file.exists():
        run = plan.out / "run"
        _command("train", *plan.training, "--out", str(run), "--stop-at", str(step))
        result = run / find_stage(plan.training[0]).release.file_name
        write_file(file, lambda part: shutil.copyfile(result, part))
    return file


def _score(plan: Plan, name: str, model: Sequence[str]) -> Model:
    """The scores of a model, under a name that tells it from the others."""
    folder = plan.out / "embeddings" / name
    tasks = ["--tasks-dir", str(plan.tasks_dir or plan.out / "tasks"), *_option("--task", plan.tasks)]
    _command("embed", *model, *tasks, "--embeddings-dir", str(folder))
    embedded = sorted(str(each) for each in folder.iterdir() if each.is_dir())
    _command("predict", *embedded, "--grid-points", str(plan.grid_points))
    [scored] = read_models([folder])
    if scored.problems:
        raise ValueError("\n".join(scored.problems))
    return scored


def _option(name: str, values: Sequence[str]) -> list[str]:
    return [name, *values] if values else []


def _command(*arguments: str) -> None:
    status = run_module("hear_tasks", *arguments)
    if status:
        raise _Failed(status)


def _report(plan: Plan, models: Sequence[Model]) -> None:
    """The table and the picture of the steps that are scored."""
    steps = plan.steps[: len(models) - 1]
    write_text(plan.out / "scores.txt", format_curve(steps, models))
    plot_curve(plan.out / "scores.png", steps, models)
