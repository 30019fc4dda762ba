"""Checking tasks, the environment, and a checkpoint, all in one report."""

from __future__ import annotations

import concurrent.futures
import pathlib
from collections.abc import Sequence

from hear_tasks.doctor.checkpoint import NAME as CHECKPOINT
from hear_tasks.doctor.checkpoint import check_checkpoint
from hear_tasks.doctor.environment import NAME as ENVIRONMENT
from hear_tasks.doctor.environment import check_environment, probe_environment
from hear_tasks.doctor.finding import Finding, Findings
from hear_tasks.doctor.report import Report
from hear_tasks.doctor.resources import Resources, check_resources
from hear_tasks.doctor.tasks import TaskReport, check_task, find_tasks


def examine(
    folders: Sequence[pathlib.Path] = (),
    names: Sequence[str] = (),
    *,
    deep: bool = False,
    checkpoint: pathlib.Path | None = None,
    embeddings_dir: pathlib.Path = pathlib.Path("embeddings"),
) -> Report:
    """Check tasks, the environment, and a checkpoint. Nothing is written, and no content of a file raises.

    Args:
        folders: task directories, or folders of them; none to check the environment alone.
        names: names of the tasks to choose from these; all if there are none.
        deep: read every sample of every clip, also of large tasks.
        checkpoint: a checkpoint file to check.
        embeddings_dir: where the embeddings will go, which need not be there yet.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        environment = threads.submit(probe_environment)  # libraries take seconds to start: meanwhile, the tasks
        tasks, lost = _check_tasks(folders, names, deep=deep)
        of_checkpoint = Findings(CHECKPOINT)
        checkpoint_report = None if checkpoint is None else check_checkpoint(checkpoint, of_checkpoint)
        of_disk = Findings("resources")
        resources = _check_resources(tasks, embeddings_dir, of_disk) if tasks else None
        of_environment = Findings(ENVIRONMENT)
        check_environment(environment.result(), of_environment)
    findings = (
        *of_environment.found,
        *of_checkpoint.found,
        *of_disk.found,
        *lost,
        *(finding for task in tasks for finding in task.findings),
    )
    return Report(environment.result(), tuple(tasks), resources, checkpoint_report, findings)


def _check_tasks(
    folders: Sequence[pathlib.Path], names: Sequence[str], *, deep: bool
) -> tuple[list[TaskReport], tuple[Finding, ...]]:
    tasks, findings = find_tasks(folders, names)
    return [check_task(task, deep=deep) for task in tasks], findings


def _check_resources(tasks: list[TaskReport], embeddings_dir: pathlib.Path, findings: Findings) -> Resources:
    return check_resources((task.needs for task in tasks), embeddings_dir, findings)
