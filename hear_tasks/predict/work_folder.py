"""The folder in which the finished trainings of a task are kept until all are.

Beside the task's folder lies `.predicting-TASK`:

    lock           held by the process that works on the task
    settings       what the trainings depend on, JSON
    training-NN    a finished training, in the order of heareval, with the state of the random generators after it

A killed process loses the training that it was in.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import pathlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from hear_cacophony.files.atomic_write import write_bytes
from hear_cacophony.files.lock import locked_folder
from hear_tasks.predict.same_run import list_differences
from hear_tasks.predict.training import Training

PREFIX = ".predicting-"


class WorkFolder:
    """The working folder of a task, locked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def start(self, settings: Mapping[str, Any]) -> str | None:
        """Take up the work where it was left, or begin it.

        Args:
            settings: what it depends on, for JSON. Trainings made with others are done again.

        Returns:
            Why earlier trainings are done again, "" if there were none, None if they are not.
        """
        text = json.dumps(settings)
        reason = self._difference(json.loads(text))
        if reason is not None:
            for file in self._folder.glob("*training-*"):
                file.unlink()
            write_bytes(self._folder / "settings", text.encode())
        return reason

    def _difference(self, settings: dict[str, Any]) -> str | None:
        """What differs from earlier work; "" if there was none, None if nothing does."""
        try:
            earlier = json.loads((self._folder / "settings").read_text())
        except FileNotFoundError:
            return ""
        except ValueError:
            return "settings that are damaged"
        return ", ".join(list_differences(earlier, settings)) or None

    def take(self, number: int) -> Training | None:
        """A training that was kept, with the generators set to their state after it; None where there is none."""
        file = self._file(number)
        if not file.exists():
            return None
        content = torch.load(io.BytesIO(file.read_bytes()), weights_only=True)
        set_generators(content["generators"])
        postprocessing = tuple((name, value) for name, value in content["training"].pop("postprocessing"))
        return Training(**content["training"], postprocessing=postprocessing)

    def keep(self, number: int, training: Training) -> None:
        """Keep a training that has just ended, with the state of the generators."""
        # Not dataclasses.asdict, which copies the tensors.
        fields = {field.name: getattr(training, field.name) for field in dataclasses.fields(training)}
        file = io.BytesIO()
        torch.save({"training": fields, "generators": generators()}, file)
        write_bytes(self._file(number), file.getvalue())

    def _file(self, number: int) -> pathlib.Path:
        return self._folder / f"training-{number:02d}"

    def remove(self) -> None:
        """Remove the working folder."""
        shutil.rmtree(self._folder)


def generators() -> dict[str, Any]:
    """The state of torch's random generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_generators(state: Mapping[str, Any]) -> None:
    """Set torch's random generators."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def working_folder(task: pathlib.Path) -> pathlib.Path:
    """Where the trainings of a task are kept, by the folder of the task."""
    return task.parent / f"{PREFIX}{task.name}"


@contextlib.contextmanager
def open_work_folder(task: pathlib.Path, *, wait: bool = False) -> Iterator[WorkFolder]:
    """The working folder of a task, made where there is none, and locked.

    Raises:
        BusyError: another process works on the task.
    """
    folder = working_folder(task)
    with locked_folder(folder, _tell, wait=wait):
        yield WorkFolder(folder)


def _tell(remark: str) -> None:
    print(f"predict: {remark}", file=sys.stderr, flush=True)
