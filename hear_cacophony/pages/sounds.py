"""Sounds in the cells of tables: where their audio is, and their pictures."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np
import soundfile

from hear_cacophony.frontend.read_audio import header_seconds, read_audio
from hear_cacophony.frontend.resample import SAMPLE_RATE
from hear_cacophony.pages.folder import PageFolder
from hear_cacophony.pages.spectrogram_picture import draw_spectrogram

AUDIO_CHOICES = ("link", "copy")
"""What becomes of audio: pages lead to the file where it is, or hold a small copy of it."""


class SoundCells:
    """Makes the cells of sounds, of each sound once.

    Attributes:
        copies: whether audio is copied.
        faults: why sounds could not be read, by file.
    """

    def __init__(self, pages: PageFolder, audio: str = "link") -> None:
        """For these pages; `audio` is one of `AUDIO_CHOICES`."""
        if audio not in AUDIO_CHOICES:
            raise ValueError(f"--audio: expected {' or '.join(AUDIO_CHOICES)}, got {audio!r}")
        self._pages = pages
        self.copies = audio == "copy"
        self._made: dict[str, list[Any]] = {}
        self.faults: dict[str, str] = {}

    def cell(self, path: str | os.PathLike[str], below: Mapping[str, Any] | None = None) -> list[Any]:
        """A sound with its picture, as columns of the kind "sound" take it.

        Args:
            path: of the audio file. One that cannot be read has neither picture nor audio, and is among `faults`.
            below: what is drawn along time below the picture. Events: "labels", and as "reference" and "predicted"
                lists of [number of a label, start, end] in seconds. Or scores: "labels", the "ends" of excerpts in
                seconds, "scores", a list for each label, and the "low" and the "high" score that the colours span.
        """
        name = os.path.abspath(path)
        if name not in self._made:
            self._made[name] = self._make(name)
        cell = self._made[name]
        return cell if below is None else [*cell, below]

    def link_only(self, path: str | os.PathLike[str], below: Mapping[str, Any] | None = None) -> list[Any]:
        """A sound without a picture, which is not read; with audio unless that would have to be copied.

        Args:
            path: of the audio file.
            below: what is drawn along time; see `cell`.
        """
        url = "" if self.copies else file_url(os.path.abspath(path))
        return [url, "", 0] if below is None else [url, "", round(header_seconds(path), 3), below]

    def _make(self, name: str) -> list[Any]:
        try:
            samples = read_audio(name)
        except (OSError, ValueError) as error:
            self.faults[name] = str(error)
            return ["", "", 0]
        number = len(self._made)
        picture = self._pages.add(f"sounds/{number}.webp", draw_spectrogram(samples))
        audio = self._pages.add(f"sounds/{number}.mp3", _compressed(samples)) if self.copies else file_url(name)
        return [audio, picture, round(len(samples) / SAMPLE_RATE, 3)]


def file_url(path: str) -> str:
    """The URL of a file, by its absolute path, which may be any bytes."""
    return f"file://{quote_from_bytes(os.fsencode(path))}"


def _compressed(samples: np.ndarray) -> bytes:
    """16 kHz mono audio as MP3, which all browsers play; about 2 kB a second."""
    file = io.BytesIO()
    clipped = np.clip(samples, -1, 1)
    soundfile.write(file, clipped, SAMPLE_RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.7)
    return file.getvalue()
