"""The parts of `train_small`, one after another; each goes on where it was stopped."""

from __future__ import annotations

import csv
import pathlib
import sys

from hear_cacophony.files.atomic_write import write_text
from hear_tasks.child_process import run_module
from hear_tasks.train_small.collect import LICENCES, LIST_FILE, TABLE_FILE, collect
from hear_tasks.train_small.packages import TRAINING
from hear_tasks.train_small.probes import build_probes

RECIPE = ("--size", "small", "--weight-decay", "1e-2", "--held-out", "0.02")
"""Arguments of `hear-cacophony train`, besides what it takes for small: 3.6 million parameters, excerpts of 2 s."""

SCORES = 4
"""How often it is scored while it is trained, besides before."""


def train_small(out: pathlib.Path, sources: pathlib.Path | None, steps: int) -> int:
    """Fetch, pack, train and score.

    Args:
        out: folder of all that is written.
        sources: where the packages lie on a machine without apt; see `find_source`.
        steps: of the training.

    Returns:
        0, or the exit status of the part that did not succeed.

    Raises:
        SourceError: a package is not to be had, or has not what it should.
    """
    tasks, scores = out / "tasks", out / "training"
    sounds = out / LIST_FILE
    given = [] if sources is None else ["--sources", str(sources)]
    if status := run_module("hear_tasks", "demo-tasks", str(tasks), *given):  # the quick one, which may lack a package
        return status
    build_probes(tasks, sources, _tell)
    if not sounds.exists():
        collect(TRAINING, out, sources, _tell)
    steps_scored = [str(steps * part // SCORES) for part in range(SCORES + 1)]
    training = ["audiomae", "--data", str(out / "shards"), *RECIPE, "--steps", str(steps)]
    scoring = ["--tasks-dir", str(tasks), "--score-at", *steps_scored]
    for part in (
        ["hear_tasks", "pack", str(sounds), "--out", str(out / "shards")],
        ["hear_tasks.train_and_score", str(scores), *scoring, "--", *training],
    ):
        if status := run_module(*part):
            return status
    write_text(out / "README.md", _card(out, scores / "run" / "README.md"))
    _tell(f"the card, with the licence of each package: {out / 'README.md'}")
    return 0


def _card(out: pathlib.Path, of_training: pathlib.Path) -> str:
    """The card of the training, and what it was trained on."""
    with (out / TABLE_FILE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [f"| {row['package']} {row['version']} | {row['recordings']} | {row['licences']} |" for row in rows]
    return "\n".join(
        [
            of_training.read_text(encoding="utf-8"),
            "## Recordings",
            "",
            f"From Debian packages; the text of each licence lies in `{LICENCES}/`.",
            "",
            "| package | recordings | licences |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )


def _tell(message: str) -> None:
    print(f"train_small: {message}", file=sys.stderr, flush=True)
