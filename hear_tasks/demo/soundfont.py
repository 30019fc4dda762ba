"""Notes played by the instruments of a sound font, rendered offline."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from hear_tasks.debian_packages import Source, SourceError

RENDER_RATE = 48_000
"""Sample rate in Hz at which notes are rendered: well above the tasks', as the synthesiser only
interpolates linearly, and a whole number of samples in a millisecond."""


@dataclasses.dataclass(frozen=True)
class FontPackage:
    """A Debian package with a sound font.

    Attributes:
        package: name of the package.
        path: where it installs the sound font, from the root.
        credit: name, copyright and licence of the sound font.
    """

    package: str
    path: str
    credit: str

    def file(self, source: Source) -> pathlib.Path:
        """The sound font in the unpacked package."""
        return source.folder / self.path

    def attribution(self, source: Source) -> str:
        """Where the sound font is from, and its licence."""
        return f"Sound font: {self.credit}\nFrom the Debian package {source.package}, version {source.version}.\n"


TIM_GM = FontPackage(
    "timgm6mb-soundfont",
    "usr/share/sounds/sf2/TimGM6mb.sf2",
    "TimGM6mb. Copyright 2004 Tim Brechbill, 2010 David Bolton. Licence: GPL-2.",
)
FLUID_R3_MONO = FontPackage(
    "fluidr3mono-gm-soundfont",
    "usr/share/fluidr3mono-gm-soundfont/FluidR3Mono_GM.sf3",
    "Fluid (R3) Mono GM. Copyright 2014-2017 Michael Cowgill, 2002 Ethan Winer, 2016 Michael Schorsch;\n"
    "original stereo version copyright 2000-2002, 2008 Frank Wen. Licence: MIT.",
)

_MILLISECOND = RENDER_RATE // 1000
_MAX_VOICES = 512
_FADE_MS = 50


@dataclasses.dataclass(frozen=True)
class Note:
    """A key that is held down.

    Attributes:
        key: MIDI note number, 60 is middle C.
        velocity: MIDI velocity, 1 to 127.
        start: when the key goes down, in whole milliseconds.
        end: when it is released, in whole milliseconds.
    """

    key: int
    velocity: int
    start: int
    end: int


class SoundFont:
    """A sound font file (SF2 or SF3) with General MIDI programs in its bank 0.

    Attributes:
        file: the file.
    """

    def __init__(self, file: pathlib.Path) -> None:
        """Load the file.

        Raises:
            SourceError: it is absent, or no sound font.
            ModuleNotFoundError: tinysoundfont is not installed.
        """
        try:
            import tinysoundfont  # here, so that the command line starts where it is not installed
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "playing notes needs tinysoundfont: pip install --no-deps tinysoundfont"
            ) from error
        self.file = file
        self._synth = tinysoundfont.Synth(samplerate=RENDER_RATE)
        try:
            self._id = self._synth.sfload(str(file), max_voices=_MAX_VOICES)
        except RuntimeError as error:
            raise SourceError(f"{file}: expected a sound font: {error}; is the package damaged?") from error

    def has_program(self, program: int) -> bool:
        """Whether the sound font has an instrument for the MIDI program, 0 to 127."""
        return self._synth.sfpreset_name(self._id, 0, program) is not None

    def render(self, program: int, notes: Sequence[Note], milliseconds: int) -> np.ndarray:
        """The notes from time 0 on, played by one program; keys go down and up on their very sample.

        Args:
            program: MIDI program, 0 to 127.
            notes: in any order. A key must be released before it goes down again.
            milliseconds: length of the result.

        Returns:
            Mean of both channels at `RENDER_RATE`, shape (milliseconds * RENDER_RATE / 1000,).
        """
        self._silence()
        self._synth.program_select(0, self._id, 0, program)
        parts, now = [], 0
        for time, key, velocity in _key_moves(notes):
            if time >= milliseconds:
                break
            parts.append(self._generate(time - now))
            now = time
            if velocity:
                self._synth.noteon(0, key, velocity)
            else:
                self._synth.noteoff(0, key)
        parts.append(self._generate(milliseconds - now))
        return np.concatenate(parts)

    def _silence(self) -> None:
        """End all notes of the rendering before, which fade out for some 10 ms more."""
        self._synth.soundfonts[self._id].reset()
        self._generate(_FADE_MS)

    def _generate(self, milliseconds: int) -> np.ndarray:
        stereo = np.frombuffer(self._synth.generate_simple(milliseconds * _MILLISECOND), dtype=np.float32)
        return stereo.reshape(-1, 2).mean(axis=1, dtype=np.float64)


def _key_moves(notes: Sequence[Note]) -> list[tuple[int, int, int]]:
    """Time, key and velocity (0: released) of each move, in order, a release before a strike."""
    moves = [(note.start, note.key, note.velocity) for note in notes] + [(note.end, note.key, 0) for note in notes]
    return sorted(moves, key=lambda move: (move[0], move[2] > 0, move[1]))
