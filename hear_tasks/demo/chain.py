"""The whole chain on real audio: doctor, hear-validator, embeddings, predictions, table and picture."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from hear_cacophony.checkpoint import FOLDER_VARIABLE, UNTRAINED, find_weights
from hear_cacophony.model.stages import STAGES, Stage
from hear_tasks.demo.phases import Phases
from hear_tasks.demo.tasks import build, directory
from hear_tasks.leaderboard import Text, format_leaderboard, plot_leaderboard, read_models

HOP_MS = "80"
"""Half the work of the default hop, and fine enough for the strokes' tolerance of 200 ms."""

GRIDS = {"demo_strokes": ("faster", "2"), "demo_piano": ("fast", "1")}
"""heareval's grid, and how many points of it, where the default grid would take too long."""

GRID = ("default", "1")
"""Enough for a demonstration in minutes. Scores for a leaderboard need all 8 points of the default grid."""

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_USE_LEGACY_KERAS": "1",  # nothing here needs Keras, which takes as long to load as all the rest
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For predictions: heareval's small predictors gain nothing of more threads, which only wait for one another."""

VALIDATE_ALL = """
import json, sys
from hearvalidator.validate import main
for sys.argv in json.loads(sys.argv[1]):
    main()
"""
"""hear-validator's own command for several models in one process, as loading TensorFlow and torch takes most of it."""

BASELINE = "hear_cacophony.logmel"

STARTING_MINUTES = 0.75
TINY_MINUTES = {"demo_vowel": 0.7, "demo_pitch": 1.0, "demo_tags": 0.7, "demo_strokes": 0.7, "demo_piano": 1.5}
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
        arguments: what names its weights to `hear-cacophony embed`, and to hear-validator.
        run: tells runs with these weights from runs with others.
    """

    module: str
    title: str
    arguments: tuple[str, ...] = ()
    run: str = ""

    @property
    def name(self) -> str:
        """For names of files."""
        return self.module.rpartition(".")[2]

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
    phases = Phases(len(tasks) + 3)
    for name in tasks:
        with phases.phase(f"building {name}"):
            build(name, out / "tasks", sources)
    embeddings = out / "-".join(["embeddings", *(model.run for model in models if model.run)])
    with phases.phase("doctor, and hear-validator on each model"):
        _run_side_by_side(_checks(models, out), out)
    with phases.phase(f"embeddings of {', '.join(model.title for model in models)}"):
        _run_side_by_side({f"{model.name}-embed": _embed(model, tasks, out, embeddings) for model in models}, out)
    with phases.phase(f"heareval's predictions of {', '.join(tasks)}"):
        commands = {f"{task}-predictions": _predict(task, models, embeddings) for task in tasks}
        _run_side_by_side(commands, out, ONE_THREAD)
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
        return Model(stage.module, f"{stage.title} (untrained)", ("--model", size), size)
    status = file.stat()
    run = f"{file.stem}-{status.st_size}-{status.st_mtime_ns}"
    return Model(stage.module, f"{stage.title} ({file.name})", ("--model", str(file)), run)


def _checks(models: Sequence[Model], out: pathlib.Path) -> dict[str, list[str]]:
    validated = json.dumps([["hear-validator", model.module, *model.arguments] for model in models])
    doctor = ["-m", "hear_tasks.cli", "doctor", str(out / "tasks")]
    return {"doctor": doctor, "hear-validator": ["-c", VALIDATE_ALL, validated]}


def _embed(model: Model, tasks: Sequence[str], out: pathlib.Path, embeddings: pathlib.Path) -> list[str]:
    names = [argument for task in tasks for argument in ("--task", directory(task))]
    places = ["--tasks-dir", str(out / "tasks"), "--embeddings-dir", str(embeddings), "--hop", HOP_MS]
    return ["-m", "hear_tasks.cli", "embed", "--module", model.module, *model.arguments, *places, *names]


def _predict(task: str, models: Sequence[Model], embeddings: pathlib.Path) -> list[str]:
    """heareval's runner for one task, whose grid is its own, with the embeddings of all models."""
    grid, points = GRIDS.get(task, GRID)
    folders = [str(folder / directory(task)) for model in models for folder in embeddings.glob(f"{model.module}-*")]
    return ["-m", "hear_tasks.heareval", "predictions", *folders, "--grid", grid, "--grid-points", points]


def _report(models: Sequence[Model], embeddings: pathlib.Path, out: pathlib.Path) -> None:
    names = {folder: model.module for model in models for folder in embeddings.glob(f"{model.module}-*")}
    scored = read_models([embeddings], names)
    problems = [problem for model in scored for problem in model.problems]
    if problems:
        raise DemoError("\n".join(problems))
    picture = out / "leaderboard.png"
    plot_leaderboard(picture, scored)
    print(f"\n{format_leaderboard(scored, Text())}\n")
    print(f"demo: the same as a picture: {picture}")
    if any(model.weights.untrained for model in scored):
        print("demo: untrained models are a baseline, not the real ones. Weights: see the README.")


def _run_side_by_side(
    commands: Mapping[str, Sequence[str]], out: pathlib.Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run Python with arguments, as many at once as there are cores, in `out`, where heareval leaves its logs.

    Args:
        commands: the arguments, by the name of the file for the output.
        out: the folder.
        environment: for all.

    Raises:
        DemoError: one or more failed; the others are done.
    """
    logs = {name: out / "logs" / f"{name}.log" for name in commands}
    (out / "logs").mkdir(parents=True, exist_ok=True)
    env = {**os.environ, **ENVIRONMENT, **(environment or {})}

    def run(name: str) -> int:
        command = [sys.executable, *commands[name]]
        with logs[name].open("w") as log:
            return subprocess.run(
                command, cwd=out, env=env, stdout=log, stderr=subprocess.STDOUT, check=False
            ).returncode

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        statuses = dict(zip(commands, pool.map(run, commands), strict=True))
    failed = [f"{name} failed with status {status}; {_end(logs[name])}" for name, status in statuses.items() if status]
    if failed:
        raise DemoError("\n".join(failed))


def _end(log: pathlib.Path) -> str:
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    return f"the end of {log}:\n{tail}"
