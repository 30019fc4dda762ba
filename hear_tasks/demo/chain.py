"""The whole chain on real audio: doctor, hear-validator, embeddings, predictions, table and picture.

python -m hear_tasks.demo.chain OUT [--all] [--sources DIR]
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence

from hear_cacophony.checkpoint import FOLDER_VARIABLE, UNTRAINED, find_weights
from hear_cacophony.model.stages import STAGES, Stage
from hear_tasks.demo.sources import SourceError
from hear_tasks.demo.tasks import TASKS
from hear_tasks.leaderboard.plot import plot_leaderboard
from hear_tasks.leaderboard.scores import read_models
from hear_tasks.leaderboard.table import format_text

DEFAULT_TASKS = ("demo_vowel", "demo_strokes")
"""A scene task and an event task."""

HOP_MS = "80"
"""Half the work of the default hop, and fine enough for the strokes' tolerance of 200 ms."""

GRIDS = {"demo_strokes": ("faster", "2"), "demo_piano": ("fast", "1")}
"""heareval's grid, and how many points of it, where the default grid would take too long."""

GRID = ("default", "1")
"""Enough for a demonstration in minutes. Scores for a leaderboard need all 8 points of the default grid."""

BASELINE = "hear_cacophony.logmel"


class DemoError(RuntimeError):
    """A step of the chain failed."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of the demonstration.

    Attributes:
        module: its HEAR module.
        title: for messages.
        arguments: what names its weights to `hear-cacophony embed`.
        validated: what names them to hear-validator.
        run: tells runs with these weights from runs with others.
    """

    module: str
    title: str
    arguments: tuple[str, ...] = ()
    validated: tuple[str, ...] = ()
    run: str = ""


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; 0 if every step succeeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="folder for tasks, embeddings, logs and scores")
    parser.add_argument("--all", action="store_true", help=f"all of {', '.join(TASKS)}, not {DEFAULT_TASKS} only")
    parser.add_argument("--sources", type=pathlib.Path, help="folder with the Debian packages, where apt is absent")
    args = parser.parse_args(argv)
    try:
        run_demo(args.out.resolve(), tuple(TASKS) if args.all else DEFAULT_TASKS, args.sources)
    except (DemoError, SourceError, OSError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def run_demo(out: pathlib.Path, tasks: Sequence[str], sources: pathlib.Path | None = None) -> None:
    """Build the tasks, run both stages and the baseline on them, and print the scores.

    Raises:
        SourceError: the recordings are not to be had.
        DemoError: a step failed; the message holds the end of its log.
    """
    start = time.monotonic()
    for name in tasks:
        print(f"demo: building {name}", flush=True)
        TASKS[name].build(out / "tasks", sources)
    models = [*map(choose_model, STAGES), Model(BASELINE, "log-mel baseline")]
    embeddings = out / "-".join(["embeddings", *(model.run for model in models if model.run)])
    _run_step("doctor", "doctor", ["hear_tasks.cli", "doctor", str(out / "tasks")], out)
    for model in models:
        _run_model(model, tasks, out, embeddings)
    _report(models, embeddings, out)
    print(f"demo: done in {time.monotonic() - start:.0f} s; everything is in {out}")


def choose_model(stage: Stage) -> Model:
    """A stage with its published weights where this machine has them, otherwise with untrained ones."""
    named = os.environ.get(FOLDER_VARIABLE)
    try:
        file = None if named in UNTRAINED else find_weights(stage)
    except FileNotFoundError:
        if named:
            raise
        file = None
    if file is None:
        size = named or "random"
        return Model(stage.module, f"{stage.title} (untrained)", ("--model", size), ("-m", size), size)
    status = file.stat()
    run = f"{file.stem}-{status.st_size}-{status.st_mtime_ns}"
    return Model(stage.module, f"{stage.title} ({file.name})", ("--model", str(file)), ("-m", str(file)), run)


def _run_model(model: Model, tasks: Sequence[str], out: pathlib.Path, embeddings: pathlib.Path) -> None:
    name = model.module.rpartition(".")[2]

    def step(kind: str, command: Sequence[str]) -> None:
        _run_step(f"{name}-{kind.replace(' ', '-')}", f"{model.title}: {kind}", command, out)

    step("hear-validator", ["hearvalidator.validate", model.module, *model.validated])
    names = [argument for task in tasks for argument in ("--task", TASKS[task].TASK)]
    places = ["--tasks-dir", str(out / "tasks"), "--embeddings-dir", str(embeddings), "--hop", HOP_MS]
    step("embed", ["hear_tasks.cli", "embed", "--module", model.module, *model.arguments, *places, *names])
    (folder,) = embeddings.glob(f"{model.module}-*")
    for task in tasks:
        grid, points = GRIDS.get(task, GRID)
        runner = ["hear_tasks.heareval", "predictions", str(folder / TASKS[task].TASK)]
        step(f"predictions of {task}", [*runner, "--grid", grid, "--grid-points", points])


def _report(models: Sequence[Model], embeddings: pathlib.Path, out: pathlib.Path) -> None:
    names = {folder: model.module for model in models for folder in embeddings.glob(f"{model.module}-*")}
    scored = read_models([embeddings], names)
    problems = [problem for model in scored for problem in model.problems]
    if problems:
        raise DemoError("\n".join(problems))
    picture = out / "leaderboard.png"
    plot_leaderboard(picture, scored)
    print(f"\n{format_text(scored)}\n")
    print(f"demo: the same as a picture: {picture}")
    if any(model.weights.untrained for model in scored):
        print("demo: untrained models are a baseline, not the real ones. Weights: see the README.")


def _run_step(name: str, title: str, command: Sequence[str], out: pathlib.Path) -> None:
    """Run a Python module in `out`, where heareval leaves its logs, with its output in a file."""
    start = time.monotonic()
    print(f"demo: {title} ...", end="", flush=True)
    log = out / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with log.open("w") as file:
        run = subprocess.run(
            [sys.executable, "-m", *command], cwd=out, env=env, stdout=file, stderr=subprocess.STDOUT, check=False
        )
    print(f" {time.monotonic() - start:.0f} s", flush=True)
    if run.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise DemoError(f"{title} failed with status {run.returncode}; the end of {log}:\n{tail}")


if __name__ == "__main__":
    sys.exit(main())
