"""Whether the metadata of a task of HEAR are those of the benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hear_tasks.doctor.finding import Findings
from hear_tasks.doctor.text_files import shown
from hear_tasks.registry import HearTask
from hear_tasks.task_folder import METADATA_FILE


def expected_fields(task: HearTask) -> dict[str, Any]:
    """The fields that the registry knows."""
    fields: dict[str, Any] = {
        "task_name": task.name,
        "version": task.version,
        "mode": task.mode,
        "embedding_type": str(task.embedding_type),
        "prediction_type": str(task.prediction_type),
        "split_mode": str(task.split_mode),
        "sample_duration": task.seconds,
        "splits": list(task.splits),
    }
    return fields | ({"nfolds": task.folds} if task.folds else {})


def check_registry(
    task: HearTask, fields: Mapping[str, Any], splits: Sequence[str], scores: Sequence[str], findings: Findings
) -> None:
    """Compare the fields of a task's metadata, its splits and scores with those of the benchmark."""
    expected = expected_fields(task)
    compared = {
        name: fields[name] for name in expected if name in fields and name not in ("task_name", "version", "mode")
    }
    if "splits" in compared:
        compared["splits"], expected["splits"] = sorted(splits), sorted(expected["splits"])
    for name, value in compared.items():
        if value != expected[name]:
            _report_difference(findings, task, name, expected[name], value)
    if scores and scores[0] != task.primary_score:
        _report_difference(findings, task, "evaluation", f"{task.primary_score} first", list(scores))


def _report_difference(findings: Findings, task: HearTask, name: str, expected: object, value: object) -> None:
    findings.error(
        "metadata-registry",
        METADATA_FILE,
        f"expected {name!r} of {task.directory} to be {expected if name == 'evaluation' else repr(expected)}, "
        f"got {shown(value)}",
        "unpack the task's tarball again, or give a task of your own another name",
    )
