"""Checking tasks, the environment, a checkpoint and a HEAR module, all in one report."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from hear_tasks.doctor.environment import ENVIRONMENT, Environment, check_environment, probing
from hear_tasks.doctor.model import CHECKPOINT, MODULE, ModuleRequest, check_checkpoint, check_module, check_own_module
from hear_tasks.doctor.report import Finding, Findings, Report, Severity
from hear_tasks.doctor.resources import ENCODERS, ModelFacts, check_cache, check_resources
from hear_tasks.doctor.tasks import check_task, find_tasks
from hear_tasks.download import check_tarballs
from hear_tasks.embed import compare_with_task, describe_lost, lost_files


def examine(
    folders: Sequence[pathlib.Path] = (),
    names: Sequence[str] = (),
    *,
    deep: bool = False,
    checkpoint: pathlib.Path | None = None,
    module: ModuleRequest | None = None,
    embeddings_dir: pathlib.Path = pathlib.Path("embeddings"),
    environment: Environment | None = None,
) -> Report:
    """Check tasks, the environment, a checkpoint and a module. Nothing is written, and no content of a file raises.

    Where a folder, a task, the checkpoint or the module is not there, nothing else is looked at: the report says that
    alone.

    Args:
        folders: task directories, or folders of them, or of downloaded tarballs with their list; none to check the
            environment alone.
        names: names of the tasks to choose from these; all if there are none.
        deep: read every sample of every clip, also of large tasks.
        checkpoint: a checkpoint file of the encoders to check.
        module: a HEAR module to check; tasks are checked with their audio at its sample rate.
        embeddings_dir: where the embeddings will go, which need not be there yet.
        environment: what an earlier report says of it, as libraries take seconds to start; looked at unless given.
    """
    archives = {folder: wrong for folder in folders if (wrong := check_tarballs(folder, deep=deep)) is not None}
    tasks, of_folders = find_tasks([folder for folder in folders if folder not in archives], names)
    of_checkpoint = Findings(CHECKPOINT)
    lost = [*of_folders, *_missing(checkpoint)]
    if any(finding.severity is Severity.ERROR for finding in lost):
        return Report(None, (), None, None, tuple(lost))
    of_module = Findings(MODULE)
    model = _check_module(module, of_module)
    if model is None:
        return Report(None, (), None, None, tuple(of_module.found))
    with contextlib.nullcontext(lambda: environment) if environment else probing() as probed:
        reports = [check_task(task, deep=deep, model=model) for task in tasks]
        checkpoint_report = None if checkpoint is None else check_checkpoint(checkpoint, of_checkpoint)
        of_disk = Findings("resources")
        resources = check_resources((task.needs for task in reports), embeddings_dir, of_disk) if reports else None
        seen = probed()
    of_environment = Findings(ENVIRONMENT)
    check_environment(seen, of_environment)
    check_cache(of_environment)
    findings = (
        *of_environment.found,
        *of_checkpoint.found,
        *of_module.found,
        *of_disk.found,
        *of_folders,
        *_wrong_tarballs(archives),
        *(finding for task in reports for finding in task.findings),
        *_check_embedded(tasks, embeddings_dir),
    )
    return Report(seen, tuple(reports), resources, checkpoint_report, findings)


def _wrong_tarballs(archives: Mapping[pathlib.Path, Mapping[str, str]]) -> list[Finding]:
    """What is wrong with downloaded tarballs, by their folders and names."""
    findings = Findings("tarballs")
    for folder, wrong in archives.items():
        for name, message in wrong.items():
            fix = f"move it away, and run hear-cacophony download tasks --to {folder} again"
            findings.error("tarball", str(folder / name), message, fix)
    return findings.found


def _check_module(module: ModuleRequest | None, findings: Findings) -> ModelFacts | None:
    """What tasks have to be fit for; None if a module is of no use."""
    if module is None:
        return ENCODERS
    if not module.of_this_package:
        return check_module(module, findings)
    check_own_module(module, findings)
    return None if findings.found else ENCODERS


def _missing(checkpoint: pathlib.Path | None) -> list[Finding]:
    """What is wrong with a checkpoint that is not there."""
    findings = Findings(CHECKPOINT)
    if checkpoint is not None and not checkpoint.exists():
        check_checkpoint(checkpoint, findings)
    return findings.found


def _check_embedded(tasks: Iterable[pathlib.Path], embeddings_dir: pathlib.Path) -> list[Finding]:
    """Compare tasks with the embeddings in EMBEDDINGS_DIR/MODULE/TASK that are finished."""
    models = _models(embeddings_dir)
    found: list[Finding] = []
    for task in tasks:
        findings = Findings(task.name)
        for model in models:
            try:
                _compare(model / task.name, task, findings)
            except Exception as error:  # whatever is in the files of embeddings, the rest is to be told
                message = f"expected embeddings in {model / task.name} that can be checked, got {error!r}"
                findings.error("embedded-before", "", message, "move them away and embed the task again")
        found += findings.found
    return found


def _models(embeddings_dir: pathlib.Path) -> list[pathlib.Path]:
    try:
        return sorted(each for each in embeddings_dir.iterdir() if each.is_dir())
    except OSError:  # not there yet, or there is another finding of it
        return []


def _compare(target: pathlib.Path, task: pathlib.Path, findings: Findings) -> None:
    if lost := lost_files(target):
        message = f"expected the files of finished embeddings in {target}, found {describe_lost(lost)}"
        findings.warn("embeddings-lost", "", message, "run hear-cacophony embed again, which makes them anew")
    for difference in compare_with_task(target, task):
        message = f"expected the task that {target} was made from, got another: {difference}"
        fix = f"bring the task back, or move {target} away and embed it again"
        findings.error("embedded-before", "", message, fix)
