"""The jobs of a run, a model and a task each, and where all that becomes of them lies below --out."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.json_file import read_json, read_json_object
from hear_cacophony.files.plain_name import is_plain_name
from hear_tasks.embed import compare_with_task, is_done, lost_files, read_shape
from hear_tasks.grids import SEEDS
from hear_tasks.predict import compare_finished
from hear_tasks.reproduce.models import RunModel
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.task_folder import METADATA_FILE, PREDICTED_FILE, SAMPLE_RATES, SCORES_FILE
from hear_tasks.text_files import read_if_whole

WAV_HEADER_BYTES = 44

EMBEDDING_PROFILE = "profile.embeddings.json"
"""Beside embeddings: how long they took, and on what."""

_SETTINGS_FILE = "settings.json"


@dataclasses.dataclass(frozen=True)
class Job:
    """A model and a task.

    Attributes:
        model: the model.
        task: the HEAR task directory.
        embeddings: folder of the model's embeddings.
        out: folder of the run.
        size: bytes of the task's audio at 16 kHz.
        scoring: what scores depend on besides weights and task, as in `Options`.
    """

    model: RunModel
    task: pathlib.Path
    embeddings: pathlib.Path
    out: pathlib.Path
    size: int
    scoring: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For names of files."""
        return f"{self.model.name}-{self.task.name}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.model.title} {self.task.name}"

    @property
    def target(self) -> pathlib.Path:
        """Folder of the task's embeddings and scores."""
        return self.embeddings / self.task.name

    @property
    def work(self) -> pathlib.Path:
        """Folder that heareval's predictions are run in, for what they leave where they are started."""
        return self.out / "work" / self.name

    def log(self, phase: Phase) -> pathlib.Path:
        """The log of a phase."""
        return self.out / "logs" / f"{self.name}-{phase}.log"

    def record(self, phase: Phase) -> pathlib.Path:
        """What became of the attempts at a phase."""
        return self.out / "state" / f"{self.name}.{phase}.json"

    def lock(self, phase: Phase) -> pathlib.Path:
        """Held by the process that runs a phase."""
        return self.out / "state" / f"{self.name}.{phase}.lock"

    def is_done(self, phase: Phase) -> bool:
        """Whether a phase is finished, by the marks beside the embeddings, which may go once there are scores."""
        if phase is Phase.EMBED:
            return is_done(self.target) or self._is_predicted
        return self._is_predicted and not compare_finished(self.target, self.scoring)

    @property
    def _is_predicted(self) -> bool:
        return all(isinstance(read_if_whole(self.target / name), dict) for name in (PREDICTED_FILE, SCORES_FILE))

    def find_changes(self) -> list[str]:
        """How a finished phase is of another task, grid or seeds; lost embeddings are made again before they count."""
        changes = compare_with_task(self.target, self.task) if self.is_done(Phase.EMBED) else []
        if self._is_predicted and not lost_files(self.target):
            predicted = compare_finished(self.target, self.scoring)
            changes += [f"predicted with {predicted}"] if predicted else []
        return changes

    def noted_seconds(self, phase: Phase) -> float | None:
        """How long a finished phase took, by the notes beside the embeddings; None where they do not tell."""
        name, key = (EMBEDDING_PROFILE, "time_elapsed") if phase is Phase.EMBED else (PREDICTED_FILE, "time")
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return round(read_json(self.target / name)[key], 1)
        return None

    @property
    def rows(self) -> int:
        """Embeddings of the task, of all splits together, as far as their files tell."""
        shapes = map(read_shape, self.target.glob("*.embedding-dimensions.json"))
        return sum(shape[0] for shape in shapes if shape is not None)


def make_jobs(options: Options) -> list[Job]:
    """All jobs of a run, largest first, so that none of the long ones is begun last."""
    sizes = {task: audio_bytes(task) for task in options.tasks}
    jobs = [
        Job(model, task, embeddings_folder(options, model), options.out, sizes[task], options.scoring)
        for model in options.models
        for task in options.tasks
    ]
    order = {model.name: number for number, model in enumerate(options.models)}
    return sorted(jobs, key=lambda job: (-job.size, job.task.name, order[job.model.name]))


def check_unchanged(jobs: Sequence[Job]) -> None:
    """Raise ValueError where what is finished is of other tasks, grids or seeds than this run is of."""
    told = [f"{job.target}: {'; '.join(changes)}" for job in jobs if (changes := job.find_changes())]
    if told:
        raise ValueError(
            "tasks have changed since they were embedded, or were predicted otherwise. Bring them back, or move these "
            "folders away, with their scores, and run the same command again:\n  " + "\n  ".join(told)
        )


def embeddings_folder(options: Options, model: RunModel) -> pathlib.Path:
    """The folder of a model's embeddings."""
    return options.out / "embeddings" / model.folder_name


def audio_bytes(task: pathlib.Path) -> int:
    """Bytes of a task's audio at 16 kHz; by its metadata where all clips have the same length."""
    try:
        metadata = read_json(task / METADATA_FILE)
        seconds = metadata["sample_duration"]
        names = metadata["splits"]
        if seconds is not None and all(map(is_plain_name, names)):
            splits = [read_json(task / f"{name}.json") for name in names]
            return sum(map(len, splits)) * (WAV_HEADER_BYTES + 2 * round(seconds * 16_000))
    except (OSError, ValueError, TypeError, KeyError):
        pass  # the embedding will tell what is wrong
    return _bytes_of_files(task)


def _bytes_of_files(task: pathlib.Path) -> int:
    rate = next((rate for rate in SAMPLE_RATES if (task / str(rate)).is_dir()), SAMPLE_RATES[0])
    total = 0
    for folder, _, files in os.walk(task / str(rate)):
        with contextlib.suppress(OSError):
            total += sum(os.stat(os.path.join(folder, file)).st_size for file in files)
    return total * SAMPLE_RATES[0] // rate


def claim_out(options: Options) -> None:
    """Note what the scores below --out depend on, so that those of another grid or protocol are not among them.

    Raises:
        ValueError: it holds those of a run with other options; the message says which.
    """
    file = options.out / _SETTINGS_FILE
    check_out(options)
    if not file.exists():
        write_json(file, options.scoring)


def check_out(options: Options) -> None:
    """Raise what `claim_out` would raise, and write nothing."""
    file = options.out / _SETTINGS_FILE
    if not file.exists():
        return
    try:
        noted = read_json_object(file)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file}: cannot be read ({error}); which options were the scores beside it made with?"
        ) from None
    earlier = {"seeds": SEEDS[0], **noted}  # version 0.1 knew no others, and did not note them
    differing = [
        f"--{key.replace('_', '-')} {earlier.get(key)} there, {value} now"
        for key, value in options.scoring.items()
        if earlier.get(key) != value
    ]
    if differing:
        raise ValueError(f"--out {options.out}: holds a run with {'; '.join(differing)}; choose another --out")
