"""The whole chain on real audio: validate, embed, predict, and a table of scores.

python -m hear_tasks.demo OUT [--sources DIR]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

from hear_cacophony.stages import STAGES, Stage
from hear_cacophony.weights import FOLDER_VARIABLE, UNTRAINED, find_weights
from hear_tasks import demo_vowel
from hear_tasks.scores import WEIGHTS_FILE, format_table, read_scores
from hear_tasks.sources import SourceError

GRID = ["--grid", "faster", "--grid-points", "4"]
"""Enough for a demonstration in minutes. Scores for a leaderboard need heareval's default grid."""


class DemoError(RuntimeError):
    """A step of the chain failed."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of one stage: a file, or None for untrained ones; `name` tells runs apart."""

    file: pathlib.Path | None
    name: str

    @property
    def label(self) -> str:
        """For tables."""
        return "untrained" if self.file is None else self.file.name


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; 0 if every step succeeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="folder for tasks, embeddings, logs and scores")
    parser.add_argument("--sources", type=pathlib.Path, help="folder with the Debian package klettres-data, unpacked")
    args = parser.parse_args(argv)
    try:
        run_demo(args.out.resolve(), args.sources)
    except (DemoError, SourceError, OSError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def run_demo(out: pathlib.Path, sources: pathlib.Path | None = None) -> None:
    """Build the task, run both stages on it and print the scores.

    Raises:
        SourceError: the recordings are not to be had.
        DemoError: a step failed; the message holds the end of its log.
    """
    start = time.monotonic()
    tasks = out / "tasks"
    print(f"demo: building {demo_vowel.TASK} from recordings of {demo_vowel.PACKAGE}")
    demo_vowel.build(tasks, sources)
    weights = {stage: choose_weights(stage) for stage in STAGES}
    embeddings = out / ("embeddings-" + "-".join(each.name for each in weights.values()))
    for stage in STAGES:
        _run_stage(stage, weights[stage], tasks, embeddings, out)
    print(f"\n{format_table(read_scores(embeddings))}\n")
    for stage, each in weights.items():
        if each.file is None:
            print(f"demo: {stage.title} is untrained here: a baseline, not the model. Weights: see the README.")
    print(f"demo: done in {time.monotonic() - start:.0f} s; everything is in {out}")


def choose_weights(stage: Stage) -> Weights:
    """The published weights of a stage where this machine has them, otherwise untrained ones."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named in UNTRAINED:
        return Weights(None, named)
    try:
        file = find_weights(stage)
    except FileNotFoundError:
        if named:
            raise
        return Weights(None, "random")
    status = file.stat()
    return Weights(file, f"{file.stem}-{status.st_size}-{status.st_mtime_ns}")


def _run_stage(
    stage: Stage, weights: Weights, tasks: pathlib.Path, embeddings: pathlib.Path, out: pathlib.Path
) -> None:
    model = embeddings / stage.module
    python = [sys.executable, "-m"]
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    validator_model: list[str] = []
    runner_model: list[str] = []
    if weights.file is None:
        env[FOLDER_VARIABLE] = weights.name
    else:
        validator_model, runner_model = ["-m", str(weights.file)], ["--model", str(weights.file)]

    def step(name: str, command: list[str]) -> None:
        _run_step(f"{stage.name}-{name}", f"{stage.title} ({weights.label}): {name}", command, env, out)

    step("hear-validator", [*python, "hearvalidator.validate", stage.module, *validator_model])
    places = ["--tasks-dir", str(tasks), "--embeddings-dir", str(embeddings)]
    step("embeddings", [*python, "hear_cacophony.heareval", "embeddings", stage.module, *runner_model, *places])
    (model / WEIGHTS_FILE).write_text(json.dumps({"weights": weights.label}) + "\n")
    folders = [str(folder) for folder in sorted(model.iterdir()) if folder.is_dir()]
    step("predictions", [*python, "hear_cacophony.heareval", "predictions", *folders, *GRID])


def _run_step(name: str, title: str, command: list[str], env: dict[str, str], out: pathlib.Path) -> None:
    """Run one command in `out`, where heareval leaves its logs, with its output in a file."""
    start = time.monotonic()
    print(f"demo: {title} ...", end="", flush=True)
    log = out / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        code = subprocess.run(command, cwd=out, env=env, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    print(f" {time.monotonic() - start:.0f} s", flush=True)
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise DemoError(f"{title} failed with status {code}; the end of {log}:\n{tail}")


if __name__ == "__main__":
    sys.exit(main())
