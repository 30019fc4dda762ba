"""Finished embeddings of a task that has changed since."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from hear_tasks.doctor.finding import Finding, Findings
from hear_tasks.embed import compare_with_task, describe_lost, lost_files


def check_embedded(tasks: Iterable[pathlib.Path], embeddings_dir: pathlib.Path) -> list[Finding]:
    """Compare tasks with the embeddings in EMBEDDINGS_DIR/MODULE/TASK that are finished."""
    models = _folders(embeddings_dir)
    found: list[Finding] = []
    for task in tasks:
        findings = Findings(task.name)
        for model in models:
            try:
                _check(model / task.name, task, findings)
            except Exception as error:  # whatever is in the files of embeddings, the rest is to be told
                message = f"expected embeddings in {model / task.name} that can be checked, got {error!r}"
                findings.error("embedded-before", "", message, "move them away and embed the task again")
        found += findings.found
    return found


def _folders(embeddings_dir: pathlib.Path) -> list[pathlib.Path]:
    try:
        return sorted(each for each in embeddings_dir.iterdir() if each.is_dir())
    except OSError:  # not there yet, or there is another finding of it
        return []


def _check(target: pathlib.Path, task: pathlib.Path, findings: Findings) -> None:
    if lost := lost_files(target):
        message = f"expected the files of finished embeddings in {target}, found {describe_lost(lost)}"
        findings.warn("embeddings-lost", "", message, "run hear-cacophony embed again, which makes them anew")
    for difference in compare_with_task(target, task):
        message = f"expected the task that {target} was made from, got another: {difference}"
        fix = f"bring the task back, or move {target} away and embed it again"
        findings.error("embedded-before", "", message, fix)
