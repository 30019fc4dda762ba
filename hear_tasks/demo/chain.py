"""The whole chain on real audio: doctor, hear-validator, embeddings, predictions, table and picture."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence

from hear_cacophony.checkpoint import FOLDER_VARIABLE, UNTRAINED, find_weights
from hear_cacophony.model.stages import STAGES, Stage
from hear_tasks.demo.phases import Phases
from hear_tasks.demo.tasks import TASKS
from hear_tasks.leaderboard import format_text, plot_leaderboard, read_models

HOP_MS = "80"
"""Half the work of the default hop, and fine enough for the strokes' tolerance of 200 ms."""

GRIDS = {"demo_strokes": ("faster", "2"), "demo_piano": ("fast", "1")}
"""heareval's grid, and how many points of it, where the default grid would take too long."""

GRID = ("default", "1")
"""Enough for a demonstration in minutes. Scores for a leaderboard need all 8 points of the default grid."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For predictions: heareval's small predictors gain nothing of more threads, which only wait for one another."""

BASELINE = "hear_cacophony.logmel"

STARTING_MINUTES = 0.75
TINY_MINUTES = {"demo_vowel": 1.0, "demo_pitch": 1.5, "demo_tags": 1.0, "demo_strokes": 1.0, "demo_piano": 2.0}
FULL_MINUTES = {"demo_vowel": 2.0, "demo_pitch": 4.0, "demo_tags": 3.5, "demo_strokes": 5.0, "demo_piano": 6.0}
MEGABYTES = {"demo_vowel": 20, "demo_pitch": 50, "demo_tags": 30, "demo_strokes": 60, "demo_piano": 60}
"""For people: minutes on two idle cores with tiny encoders and with those of full size, and megabytes, of the task and
of the three models' embeddings."""


class DemoError(RuntimeError):
    """A phase of the chain failed."""


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

    @property
    def is_small(self) -> bool:
        """Whether it takes no time to speak of."""
        return self.run in ("", "random-tiny")


def run_demo(
    out: pathlib.Path, tasks: Sequence[str], sources: pathlib.Path | None = None, *, full: bool = False
) -> None:
    """Build the tasks, run both stages and the baseline on them, and print the scores.

    Args:
        out: folder for all that is written.
        tasks: names of demo tasks.
        sources: folder with the Debian packages, where apt is absent.
        full: whether untrained weights, where there are no others, are of full size.

    Raises:
        SourceError: the recordings are not to be had.
        DemoError: a phase failed; the message holds the end of its log.
    """
    start = time.monotonic()
    models = [*(choose_model(stage, full=full) for stage in STAGES), Model(BASELINE, "log-mel baseline")]
    print(f"demo: {estimate(models, tasks)}; everything goes to {out}", flush=True)
    phases = Phases(len(tasks) + 1 + len(models) * (2 + len(tasks)))
    for name in tasks:
        with phases.phase(f"building {name}"):
            TASKS[name].build(out / "tasks", sources)
    embeddings = out / "-".join(["embeddings", *(model.run for model in models if model.run)])
    _run_phase(phases, "doctor", "doctor", ["hear_tasks.cli", "doctor", str(out / "tasks")], out)
    for model in models:
        _run_model(phases, model, tasks, out, embeddings)
    _report(models, embeddings, out)
    print(f"demo: done in {time.monotonic() - start:.0f} s; everything is in {out}")


def estimate(models: Sequence[Model], tasks: Sequence[str]) -> str:
    """How much time and disk a run takes, for people, as measured on two idle cores."""
    tiny = all(model.is_small for model in models)
    minutes = sum((TINY_MINUTES if tiny else FULL_MINUTES)[name] for name in tasks) + STARTING_MINUTES
    megabytes = sum(MEGABYTES[name] for name in tasks)
    return (
        f"about {minutes:.0f} minutes on two idle cores, {megabytes} MB on the disk, and up to 90 MB of packages that "
        "are downloaded once"
    )


def choose_model(stage: Stage, *, full: bool = False) -> Model:
    """A stage with its published weights where this machine has them, otherwise with untrained ones: tiny or full."""
    named = os.environ.get(FOLDER_VARIABLE)
    try:
        file = None if named in UNTRAINED else find_weights(stage)
    except FileNotFoundError:
        if named:
            raise
        file = None
    if file is None:
        size = named or ("random" if full else "random-tiny")
        return Model(stage.module, f"{stage.title} (untrained)", ("--model", size), ("-m", size), size)
    status = file.stat()
    run = f"{file.stem}-{status.st_size}-{status.st_mtime_ns}"
    return Model(stage.module, f"{stage.title} ({file.name})", ("--model", str(file)), ("-m", str(file)), run)


def _run_model(phases: Phases, model: Model, tasks: Sequence[str], out: pathlib.Path, embeddings: pathlib.Path) -> None:
    name = model.module.rpartition(".")[2]

    def phase(kind: str, command: Sequence[str]) -> None:
        _run_phase(phases, f"{name}-{kind.replace(' ', '-')}", f"{model.title}: {kind}", command, out)

    phase("hear-validator", ["hearvalidator.validate", model.module, *model.validated])
    names = [argument for task in tasks for argument in ("--task", TASKS[task].TASK)]
    places = ["--tasks-dir", str(out / "tasks"), "--embeddings-dir", str(embeddings), "--hop", HOP_MS]
    phase("embed", ["hear_tasks.cli", "embed", "--module", model.module, *model.arguments, *places, *names])
    (folder,) = embeddings.glob(f"{model.module}-*")
    for task in tasks:
        grid, points = GRIDS.get(task, GRID)
        runner = ["hear_tasks.heareval", "predictions", str(folder / TASKS[task].TASK)]
        phase(f"predictions of {task}", [*runner, "--grid", grid, "--grid-points", points])


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


def _run_phase(phases: Phases, name: str, title: str, command: Sequence[str], out: pathlib.Path) -> None:
    """Run a Python module in `out`, where heareval leaves its logs, with its output in a file."""
    log = out / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(ONE_THREAD if "predictions" in command else {})}
    with phases.phase(title), log.open("w") as file:
        run = subprocess.run(
            [sys.executable, "-m", *command], cwd=out, env=env, stdout=file, stderr=subprocess.STDOUT, check=False
        )
        if run.returncode:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise DemoError(f"{title} failed with status {run.returncode}; the end of {log}:\n{tail}")
