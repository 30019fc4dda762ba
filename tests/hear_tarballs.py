"""Small tasks as HEAR's tarballs hold them, under the names of tasks of the benchmark."""

from __future__ import annotations

import json
import pathlib
import shutil
import tarfile
from collections.abc import Callable, Iterable

import numpy as np
import soundfile
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task

from hear_tasks.download import tarball_name
from hear_tasks.registry import HearTask, find_tasks

MAKERS = {
    "esc50": lambda folder: make_scene_task(folder, clips=6),
    "fsd50k": lambda folder: make_tags_task(folder, clips=4),
    "dcase2016_task2": lambda folder: make_event_task(folder, clips=2),
}


def make_tarballs(folder: pathlib.Path, names=tuple(MAKERS)) -> dict[HearTask, pathlib.Path]:
    """A tarball for each of the names in `folder`, which a mirror may be."""
    folder.mkdir(exist_ok=True)
    return {task: _make_tarball(folder, task, MAKERS[task.name]) for task in (find_tasks(name)[0] for name in names)}


def make_uncompressed_tarballs(folder: pathlib.Path, names: Iterable[str]) -> dict[HearTask, pathlib.Path]:
    """Tarballs that are as large as the audio in them, of scene tasks of equal size: 600 kB at 48 kHz."""

    def make(folder: pathlib.Path) -> pathlib.Path:
        return make_scene_task(folder, clips=2, seconds=1)

    folder.mkdir(exist_ok=True)
    return {task: _make_tarball(folder, task, make, level=0) for task in (find_tasks(name)[0] for name in names)}


def _make_tarball(
    folder: pathlib.Path, task: HearTask, make: Callable[[pathlib.Path], pathlib.Path], level: int = 9
) -> pathlib.Path:
    work = folder / "making"
    made = make(work)
    for clip in made.glob("16000/*/*.wav"):
        samples, _ = soundfile.read(clip)
        target = made / "48000" / clip.parent.name / clip.name
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, np.repeat(samples, 3), 48_000, subtype="PCM_16")
    shutil.rmtree(made / "16000")
    metadata = json.loads((made / "task_metadata.json").read_text())
    metadata |= {"task_name": task.name, "version": task.version, "mode": task.mode}
    (made / "task_metadata.json").write_text(json.dumps(metadata))
    tarball = folder / tarball_name(task)
    with tarfile.open(tarball, "w:gz", compresslevel=level) as tar:
        tar.add(made, f"hear-2021.0.6/tasks/{task.directory}")
    shutil.rmtree(work)
    return tarball
