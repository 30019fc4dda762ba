"""demo_pitch: which of 24 pitches an instrument plays, from two sound fonts.

Train plays instruments of TimGM6mb, valid and test those of Fluid R3 Mono. A split has families of General
MIDI instruments to itself (eight neighbouring programs, such as the brass), so that neither a recording nor a
kind of instrument is in two splits.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np

from hear_cacophony.frontend.resample import resample
from hear_tasks.debian_packages import SourceError, find_source
from hear_tasks.demo.soundfont import FLUID_R3_MONO, RENDER_RATE, TIM_GM, Note, SoundFont
from hear_tasks.recordings import at_level
from hear_tasks.write_task import Clip

PITCHES = range(48, 72)
"""MIDI note numbers, from the C below middle C for two octaves."""

FAMILIES = {
    "train": (0, 2, 3, 6, 7, 9, 10, 13),
    "valid": (4, 11),
    "test": (1, 5, 8),
}
"""General MIDI families of each split, by program // 8: pianos, organs, guitars, ensembles, brass, pipes, leads and
the instruments of the world; basses and pads; tuned percussion, strings and reeds. Families of effects, drums and
noises have no pitch."""

PROGRAMS = range(0, 8, 2)
"""Programs of a family that are played, every other one, as neighbours are much alike."""

FONTS = {"train": TIM_GM, "valid": FLUID_R3_MONO, "test": FLUID_R3_MONO}
VELOCITY = 100
HELD_MS, LENGTH_MS = 800, 1000
"""How long a key is held down, and a clip, in milliseconds."""

AUDIBLE = 0.001
"""Root mean square that a note must have, full scale 1: -60 dB."""

PERIODICITY = 0.75
"""Correlation that a note must have with itself one period later. Where the pitch is not that of the key (organs
with a stop an octave lower, chords, drums), it is below that, often below 0."""

ATTACK = RENDER_RATE // 20
"""Samples that are left out of the periodicity: 50 ms."""

VOCABULARY = [str(pitch) for pitch in PITCHES]
METADATA = {
    "embedding_type": "scene",
    "prediction_type": "multiclass",
    "split_mode": "trainvaltest",
    "sample_duration": 1.0,
    "evaluation": ["pitch_acc", "chroma_acc"],
}


def read_splits(sources: pathlib.Path | None) -> tuple[dict[str, Iterator[Clip]], str]:
    """Clips by split, made as they are asked for, and the attribution; see `hear_tasks.demo.tasks.build`."""
    found = {font: find_source(font.package, sources) for font in (TIM_GM, FLUID_R3_MONO)}
    loaded = {font: SoundFont(font.file(source)) for font, source in found.items()}
    credits = "".join(font.attribution(source) for font, source in found.items())
    treatment = "Played for 1 s a note, brought to 16 kHz mono and to a common level.\n"
    return {split: _clips(split, loaded[FONTS[split]]) for split in FAMILIES}, credits + treatment


def periodicity(samples: np.ndarray, pitch: int) -> float:
    """Correlation of a note with itself one period later, from -1 to 1.

    Args:
        samples: the note at `RENDER_RATE`, shape (samples,).
        pitch: its MIDI note number; 69 has 440 Hz.
    """
    period = RENDER_RATE / (440 * 2 ** ((pitch - 69) / 12))
    steady = samples[ATTACK:]
    return max(_correlation(steady[:-lag], steady[lag:]) for lag in (int(period), int(period) + 1))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    power = np.sqrt(np.sum(first**2) * np.sum(second**2))
    return float(np.sum(first * second) / power) if power else 0.0


def _clips(split: str, font: SoundFont) -> Iterator[Clip]:
    programs = [8 * family + each for family in FAMILIES[split] for each in PROGRAMS]
    fit = 0
    for program in programs:
        notes = _play_all(font, program)
        fit += bool(notes)
        for pitch, note in notes.items():
            yield Clip(f"{program:03d}-{pitch}.wav", at_level(resample(note, RENDER_RATE)), [str(pitch)])
    if not fit:
        raise SourceError(
            f"{font.file}: expected instruments with a steady pitch among the programs {programs}, found none; "
            "is the package damaged?"
        )


def _play_all(font: SoundFont, program: int) -> dict[int, np.ndarray]:
    """The instrument at every pitch; nothing if one of them is silent or is not of that pitch."""
    if not font.has_program(program):
        return {}
    notes = {pitch: font.render(program, [Note(pitch, VELOCITY, 0, HELD_MS)], LENGTH_MS) for pitch in PITCHES}
    return notes if all(_is_steady(note, pitch) for pitch, note in notes.items()) else {}


def _is_steady(note: np.ndarray, pitch: int) -> bool:
    return float(np.sqrt(np.mean(note**2))) >= AUDIBLE and periodicity(note, pitch) >= PERIODICITY
