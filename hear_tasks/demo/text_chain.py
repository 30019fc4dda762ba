"""Words for the recordings of the demo tasks: labels, a search by a sentence, and captions."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Sequence

from hear_cacophony.model.stages import CACOPHONY
from hear_cacophony.text.tokenizer import load_tokenizer
from hear_tasks.debian_packages import SourceError
from hear_tasks.demo.chain import DemoError, choose_model
from hear_tasks.demo.phases import Phases
from hear_tasks.demo.tasks import build, directory

LABELS = "speech,a drum,rain,a piano"
SENTENCE = "somebody hits a drum"
OF_EACH_TASK = 4
"""Recordings of each task that are labelled and captioned."""

MATCHES = 8
"""Lines that are shown of the search."""


def run_words(out: pathlib.Path, tasks: Sequence[str], sources: pathlib.Path | None = None) -> None:
    """Build the tasks, and label, search and caption their recordings with whatever weights there are.

    Raises:
        SourceError: the recordings are not to be had.
        DemoError: there is no tokenizer and none can be fetched, or a command failed.
    """
    model = choose_model(CACOPHONY)
    phases = Phases(len(tasks) + 4)
    for name in tasks:
        with phases.phase(f"building {name}"):
            build(name, out / "tasks", sources)
    with phases.phase("the tokenizer"):
        _have_tokenizer()
    folder = str(out / "tasks")
    few = [str(file) for name in tasks for file in _recordings(out / "tasks" / directory(name))[:OF_EACH_TASK]]
    answers = {
        f"labels, of {LABELS}": ["classify", *few, "--labels", LABELS],
        f"what sounds like {SENTENCE!r}": ["search", SENTENCE, folder, "--top", str(MATCHES)],
        "captions": ["caption", *few, "--max-tokens", "20"],
    }
    for title, command in answers.items():
        with phases.phase(f"{model.title}: {title}"):
            answer = _run([*command, *model.arguments])
        print(answer, flush=True)
    if model.run.startswith("random"):
        print("demo: untrained weights: the answers mean nothing. Weights: see the README.")


def _recordings(task: pathlib.Path) -> list[pathlib.Path]:
    found = sorted((task / "16000").rglob("*.wav"))
    if not found:
        raise SourceError(f"{task}: expected recordings, found none")
    return found


def _have_tokenizer() -> None:
    """Fetch the tokenizer where this machine has none."""
    try:
        load_tokenizer()
    except FileNotFoundError:
        _run(["download", "--tokenizer-only"])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run([sys.executable, "-m", "hear_tasks", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"hear-cacophony {command[0]} failed with status {done.returncode}:\n{done.stderr.strip()}")
    return done.stdout
