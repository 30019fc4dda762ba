"""The audio of a task's clips, as far as it is there."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from hear_cacophony.pages import SoundCells
from hear_cacophony.pages.sounds import file_url
from hear_cacophony.printable import on_one_line
from hear_tasks.task_folder import USUAL_RATE, audio_folder

_LISTED = 20


class TaskSounds:
    """Cells of the clips of one task.

    Attributes:
        base: what the URLs of audio in cells begin with, which they lack.
    """

    def __init__(self, task: pathlib.Path | None, cells: SoundCells) -> None:
        """Of the task in this folder; None where there is none."""
        self._cells, self._task = cells, task
        self._earlier = set(cells.faults)
        self._folder = None if task is None else audio_folder(task)
        self._there: dict[str, set[str]] = {}
        self.base = "" if self._folder is None or cells.copies else f"{file_url(os.path.abspath(self._folder))}/"
        self._missing: set[tuple[str, str]] = set()

    @property
    def remark(self) -> str:
        """What is to be said of clips without a picture."""
        return "; the audio of others was not copied" if self._cells.copies and self._folder is not None else ""

    def gaps(self) -> list[str]:
        """What is wrong with the audio that was asked for, a message each."""
        told = []
        if self._task is not None and self._folder is None:
            told.append(f"{self._task}: no folder of audio in it, such as {USUAL_RATE}, so clips are without audio")
        if self._missing:
            split, clip = min(self._missing)
            told.append(
                f"{self._folder}: no audio of {len(self._missing):,} clips, such as {split}/{on_one_line(clip)}; "
                "has it moved?"
            )
        faults = {file: reason for file, reason in self._cells.faults.items() if file not in self._earlier}
        return told + [on_one_line(reason) for reason in list(faults.values())[:_LISTED]]

    def cell(self, split: str, clip: str, *, picture: bool, events: dict[str, Any] | None = None) -> list[Any] | None:
        """The cell of a clip, with its picture or without; None where there is nothing to show."""
        if self._folder is None:
            return None if events is None else ["", "", 0, events]
        if clip not in self._names(split):
            self._missing.add((split, clip))
            return ["", "", 0] if events is None else ["", "", 0, events]
        path = self._folder / split / clip
        cell = self._cells.cell(path, events) if picture else self._cells.link_only(path, events)
        return [cell[0].removeprefix(self.base), *cell[1:]]

    def _names(self, split: str) -> set[str]:
        if split not in self._there:
            assert self._folder is not None
            try:
                self._there[split] = set(os.listdir(self._folder / split))
            except OSError:
                self._there[split] = set()
        return self._there[split]
