"""From the paths that people give, such as EMBEDDINGS/MODULE/*, to the folders of tasks."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterable

from hear_tasks.task_folder import EMBEDDED_FILE, METADATA_FILE, WEIGHTS_FILE


def find_tasks(paths: Iterable[pathlib.Path]) -> list[pathlib.Path]:
    """The folders of tasks, each once: those that are given, and all in folders of modules. Files are left out.

    Raises:
        ValueError: a path is not there, or no folder of tasks is.
    """
    found: dict[pathlib.Path, pathlib.Path] = {}
    for path in paths:
        if path.is_file():
            if path.name != WEIGHTS_FILE:
                print(f"predict: {path}: a file, no folder of a task; left out", file=sys.stderr)
            continue
        for task in _tasks_in(path):
            found.setdefault(task.resolve(), task)
    if not found:
        raise ValueError("no folder among the arguments; expected EMBEDDINGS/MODULE/TASK, or EMBEDDINGS/MODULE")
    return list(found.values())


def _tasks_in(path: pathlib.Path) -> list[pathlib.Path]:
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder; expected EMBEDDINGS/MODULE/TASK")
    if (path / METADATA_FILE).exists() or (path / EMBEDDED_FILE).exists():
        return [path]
    tasks = sorted({file.parent for name in (METADATA_FILE, EMBEDDED_FILE) for file in path.glob(f"[!.]*/{name}")})
    modules = sorted({file.parent.parent for file in path.glob(f"[!.]*/[!.]*/{METADATA_FILE}")})
    if modules and not tasks:
        raise ValueError(f"{path}: a folder of modules; expected that of one, such as {modules[0]}, or of a task in it")
    return tasks or [path]
