"""What a report is to hold."""

from __future__ import annotations

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a report is to hold.

    Attributes:
        tasks_dir: folder of the HEAR tasks, whose audio is played; None: pages are without audio.
        audio: "link" or "copy"; see `SoundCells`.
        pictures: how many of the most wrong clips of each model have a spectrogram; of others audio is not copied.
        published: whether published scores are shown, too.
    """

    tasks_dir: pathlib.Path | None = None
    audio: str = "link"
    pictures: int = 20
    published: bool = False

    def __post_init__(self) -> None:
        if self.tasks_dir is not None and not self.tasks_dir.is_dir():
            raise FileNotFoundError(f"--tasks-dir {self.tasks_dir}: no such folder; expected one of HEAR tasks")
        if self.pictures < 0:
            raise ValueError(f"--pictures: expected 0 or more, got {self.pictures}")
