"""What a run has brought of a task itself, and may remove again.

It is noted before it is brought, so that what a killed run leaves is never taken for a user's, nor the other way round.
"""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterable

from hear_cacophony.download.fetch import STAGING
from hear_cacophony.files.atomic_write import write_json
from hear_tasks.download import tarball_name
from hear_tasks.registry import TASKS
from hear_tasks.reproduce.options import PUBLISHED_RATE
from hear_tasks.task_folder import METADATA_FILE
from hear_tasks.text_files import read_object_if_whole

PUT_ASIDE = ".going-"
"""Start of the names of folders that are being removed, so that half a folder is never taken for a whole one."""


class Made:
    """Of a task: its tarball, and its audio at several rates.

    Args:
        task: its folder.
        archives: folder of the tarballs.
    """

    def __init__(self, task: pathlib.Path, archives: pathlib.Path) -> None:
        self._task = task
        self._file = archives / f"{task.name}.made.json"
        noted = read_object_if_whole(self._file)
        self._names = {str(name) for name in noted.get("names", ())}
        self._whole = {int(rate) for rate in noted.get("whole", ())}
        self.tarball = archives / tarball_name(next(each for each in TASKS if each.directory == task.name))

    def will_fetch(self) -> None:
        """Note that the tarball is fetched, unless it is there."""
        if not self.tarball.exists():
            self._note({self.tarball.name})

    def will_make(self, rates: Iterable[int]) -> None:
        """Note that audio is made, unless it is there."""
        self._note({str(rate) for rate in rates if not (self._task / str(rate)).exists()})

    def is_whole(self, rates: Iterable[int]) -> None:
        """Note that audio at these rates is made to its end."""
        self._whole |= set(rates)
        self._write()

    def has_whole(self, rates: Iterable[int]) -> bool:
        """Whether the audio at all of these rates is there to its end."""
        return (self._task / METADATA_FILE).is_file() and all(map(self._has_whole, rates))

    def _has_whole(self, rate: int) -> bool:
        if not (self._task / str(rate)).is_dir():
            return False
        if rate == PUBLISHED_RATE or rate in self._whole:  # a tarball is unpacked as a whole, or not at all
            return True
        return str(rate) not in self._names and not (self._task / str(PUBLISHED_RATE)).is_dir()  # a user's own

    def remove_tarball(self) -> None:
        """Remove the tarball, or what came of it, if it was fetched by a run."""
        if self.tarball.name in self._names:
            self.tarball.unlink(missing_ok=True)
            shutil.rmtree(self.tarball.parent / STAGING / self.tarball.name, ignore_errors=True)
            self._names.remove(self.tarball.name)
            self._write()

    def remove_audio(self, rates: Iterable[int]) -> None:
        """Remove audio at these rates, as far as a run has made it."""
        made = {rate for rate in rates if str(rate) in self._names}
        for rate in made:
            folder = self._task / str(rate)
            if folder.is_dir():
                going = folder.with_name(f"{PUT_ASIDE}{rate}")
                folder.rename(going)
                shutil.rmtree(going)
        if made:
            self._names -= set(map(str, made))
            self._whole -= made
            self._write()

    def _note(self, names: set[str]) -> None:
        if not names <= self._names:
            self._names |= names
            self._write()

    def _write(self) -> None:
        write_json(self._file, {"names": sorted(self._names), "whole": sorted(self._whole)})
