"""What a run gives, and what of it somebody has changed since: that is kept, whatever the run goes on to give."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from hear_cacophony.checkpoint.write import write_checkpoint
from hear_cacophony.files.atomic_write import write_json, write_text
from hear_cacophony.files.file_identity import content_digest
from hear_cacophony.files.json_file import read_json, read_json_object
from hear_cacophony.model.stages import AUDIOMAE
from hear_cacophony.training.batches import Batches
from hear_cacophony.training.card import card
from hear_cacophony.training.metrics import METRICS, read_metrics
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.processes import say
from hear_cacophony.training.record import RECORD, STARTS
from hear_cacophony.training.shards import Shards
from hear_cacophony.training.step import State

_NOTE = ".result.json"
"""In the folder of a run: the step of its result, and digests of the files as they were written, unless they are being
written.
"""


@dataclasses.dataclass(frozen=True)
class Result:
    """The checkpoint in the published layout, the same for inference alone, and the card.

    Attributes:
        out: the folder of the run.
        options: of the run.
        shards: what it was trained on.
        batches: of the run.
        looked_at: how many of the held-out clips its losses are of.
    """

    out: pathlib.Path
    options: TrainOptions
    shards: Shards
    batches: Batches
    looked_at: str

    @property
    def file(self) -> pathlib.Path:
        """The checkpoint in the published layout."""
        return self.out / self.options.of.release.file_name

    @property
    def _card(self) -> pathlib.Path:
        return self.out / "README.md"

    @property
    def _files(self) -> list[pathlib.Path]:
        return [self.file, self.file.with_suffix(".safetensors"), self._card]

    def write(self, state: State, made: int) -> None:
        """Write what a state gives, unless that is there and no step was made since.

        Raises:
            OSError: a file cannot be written.
        """
        step = int(state.step)
        if not made and self._is_there(step):
            return
        parameters = {path: np.asarray(array) for path, array in state.parameters.items()}
        normalised = self.options.of is AUDIOMAE and self.options.normalise
        with self._replacing(step):
            write_checkpoint(parameters, self.file, step=step, normalised=normalised)
            write_text(self._card, self._text(step))

    def _text(self, step: int) -> str:
        rows, starts = read_metrics(self.out / METRICS), read_json(self.out / RECORD).get(STARTS, {})
        return card(self.options, self.shards, self.batches, step, rows, self.looked_at, self.file, starts)

    def _is_there(self, step: int) -> bool:
        """Whether the result of a step is there. What was changed of it is told."""
        noted = self._noted()
        if noted.get("step") != step or not all(file.is_file() for file in self._files):
            return False
        for file in self._changed(noted):
            say(f"{file}: changed since it was written; left as it is")
        return True

    @contextlib.contextmanager
    def _replacing(self, step: int) -> Iterator[None]:
        """A time in which the files are written. Those that are not as the run has left them are moved aside."""
        for file in self._changed(self._noted()):
            aside = _free_name(file)
            file.rename(aside)
            say(f"{file}: changed since it was written, or not of this run; kept as {aside.name}")
        write_json(self.out / _NOTE, {"step": None})
        yield
        digests = {file.name: content_digest(file) for file in self._files}
        write_json(self.out / _NOTE, {"step": step, "digests": digests})

    def _noted(self) -> dict[str, Any]:
        try:
            noted = read_json_object(self.out / _NOTE)
        except (OSError, ValueError):
            noted = {"digests": {}}
        return noted if isinstance(noted.get("digests", {}), dict) else {"digests": {}}

    def _changed(self, noted: dict[str, Any]) -> list[pathlib.Path]:
        if "digests" not in noted:  # they were being written when the run was killed
            return []
        return [
            file for file in self._files if file.exists() and content_digest(file) != noted["digests"].get(file.name)
        ]


def _free_name(file: pathlib.Path) -> pathlib.Path:
    number = 1
    while (aside := file.with_name(f"{file.stem}-kept-{number}{file.suffix}")).exists():
        number += 1
    return aside
