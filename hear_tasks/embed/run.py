"""Embedding tasks, one after the other: one that fails, or that another process works on, does not stop the others."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable, Sequence

from hear_cacophony.files.lock import BusyError
from hear_cacophony.printable import on_one_line
from hear_tasks.embed.engine import embed_task
from hear_tasks.embed.hear_module import HearModule, claim_folder
from hear_tasks.embed.record import compare_with_task, describe_lost, lost_files
from hear_tasks.embed.work_folder import is_done, is_finished
from hear_tasks.task_folder import WEIGHTS_FILE, TaskError


def embed_tasks(
    module: HearModule,
    tasks: Sequence[str | os.PathLike[str]],
    embeddings_dir: str | os.PathLike[str],
    *,
    batch_seconds: float | None = None,
    clip_files: bool = False,
    tell: Callable[[str], None] = lambda message: print(f"embed: {message}", file=sys.stderr, flush=True),
) -> dict[str, str]:
    """Embed tasks; one that fails does not stop the others.

    Args:
        module: what to embed with.
        tasks: HEAR task directories.
        embeddings_dir: the embeddings go to MODULE/TASK in it, named as heareval does.
        batch_seconds: seconds of audio in a batch; by the devices' memory unless given.
        clip_files: whether to write the files of each clip, too.
        tell: takes remarks.

    Returns:
        What was wrong with each task that failed, by its name.

    Raises:
        ValueError: the folder holds embeddings of another model or of other options.
    """
    given = pathlib.Path(embeddings_dir) / module.folder_name
    # Absolute, as the code of a plugin has a working directory of its own while clips are read and results written.
    folder = given.absolute()
    paths = [pathlib.Path(task).absolute() for task in tasks]
    _tell_of_strangers(folder, paths, tell)
    claim_folder(folder, module.identity)
    failed: dict[str, str] = {}
    busy: list[pathlib.Path] = []

    def try_task(task: pathlib.Path, wait: bool) -> None:
        target = folder / task.name
        try:
            check_unchanged(target, task)
            if lost := lost_files(target):
                tell(f"{target}: embedded before, but files are lost: {describe_lost(lost)}; embedding it again")
            did = not is_finished(target) and embed_task(
                module.model,
                task,
                target,
                place=given / task.name,
                identity=module.identity,
                batch_seconds=batch_seconds,
                clip_files=clip_files,
                wait=wait,
                tell=tell,
            )
        except BusyError:
            busy.append(task)
        except (TaskError, OSError) as error:
            failed[task.name] = str(error)
            tell(f"{on_one_line(task.name)}: FAILED: {error}")
        else:
            tell(f"{on_one_line(task.name)}: {'done' if did else 'was done already'}")

    for task in paths:
        try_task(task, wait=False)
    for task in list(busy):
        tell(f"{on_one_line(task.name)}: another process is embedding it; waiting for that")
        try_task(task, wait=True)
    if failed:
        tell(f"{len(failed)} of {len(paths)} tasks failed: {on_one_line(', '.join(failed))}")
    return failed


def check_unchanged(target: pathlib.Path, task: pathlib.Path) -> None:
    """Raise TaskError where a task is no longer what its finished embeddings were made from."""
    differences = compare_with_task(target, task)
    if differences:
        raise TaskError(
            f"{task}: has changed since it was embedded: {'; '.join(differences)}. Nothing was done: bring the task "
            f"back, or move {target} away and embed it again; scores in it are of the task as it was"
        )


def _tell_of_strangers(folder: pathlib.Path, tasks: Sequence[pathlib.Path], tell: Callable[[str], None]) -> None:
    """Say so where embeddings are there that another program has made, which are kept."""
    done = [task.name for task in tasks if is_done(folder / task.name)]
    if done and not (folder / WEIGHTS_FILE).exists():
        tell(f"{folder}: {', '.join(done)}: embedded by another program, with weights that are not recorded; kept")
