"""Checking tasks, the environment, and a checkpoint, all in one report."""

from __future__ import annotations

import concurrent.futures
import pathlib
from collections.abc import Sequence

from hear_tasks.doctor.checkpoint import CHECKPOINT, check_checkpoint
from hear_tasks.doctor.embedded import check_embedded
from hear_tasks.doctor.environment import ENVIRONMENT, Environment, check_environment, probe_environment
from hear_tasks.doctor.finding import Finding, Findings, Severity
from hear_tasks.doctor.report import Report
from hear_tasks.doctor.resources import check_resources
from hear_tasks.doctor.tasks import check_task, find_tasks


def examine(
    folders: Sequence[pathlib.Path] = (),
    names: Sequence[str] = (),
    *,
    deep: bool = False,
    checkpoint: pathlib.Path | None = None,
    embeddings_dir: pathlib.Path = pathlib.Path("embeddings"),
    environment: Environment | None = None,
) -> Report:
    """Check tasks, the environment, and a checkpoint. Nothing is written, and no content of a file raises.

    Where a folder, a task or the checkpoint is not there, nothing else is looked at: the report says that alone.

    Args:
        folders: task directories, or folders of them; none to check the environment alone.
        names: names of the tasks to choose from these; all if there are none.
        deep: read every sample of every clip, also of large tasks.
        checkpoint: a checkpoint file to check.
        embeddings_dir: where the embeddings will go, which need not be there yet.
        environment: what an earlier report says of it, as libraries take seconds to start; looked at unless given.
    """
    tasks, of_folders = find_tasks(folders, names)
    of_checkpoint = Findings(CHECKPOINT)
    lost = [*of_folders, *_missing(checkpoint)]
    if any(finding.severity is Severity.ERROR for finding in lost):
        return Report(None, (), None, None, tuple(lost))
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        probed = threads.submit(lambda: environment or probe_environment())  # takes seconds: meanwhile, the tasks
        reports = [check_task(task, deep=deep) for task in tasks]
        checkpoint_report = None if checkpoint is None else check_checkpoint(checkpoint, of_checkpoint)
        of_disk = Findings("resources")
        resources = check_resources((task.needs for task in reports), embeddings_dir, of_disk) if reports else None
    of_environment = Findings(ENVIRONMENT)
    check_environment(probed.result(), of_environment)
    findings = (
        *of_environment.found,
        *of_checkpoint.found,
        *of_disk.found,
        *of_folders,
        *(finding for task in reports for finding in task.findings),
        *check_embedded(tasks, embeddings_dir),
    )
    return Report(probed.result(), tuple(reports), resources, checkpoint_report, findings)


def _missing(checkpoint: pathlib.Path | None) -> list[Finding]:
    """What is wrong with a checkpoint that is not there."""
    findings = Findings(CHECKPOINT)
    if checkpoint is not None and not checkpoint.exists():
        check_checkpoint(checkpoint, findings)
    return findings.found
