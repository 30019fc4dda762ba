"""demo_piano: which notes a piano plays and when, from MIDI pieces played by one sampled piano.

The pieces are those of OpenMSX (Debian package openttd-openmsx), the piano that of TimGM6mb (Debian package
timgm6mb-soundfont). The piano plays every channel but the drums. A clip is the middle of a piece; a split has
pieces of its own.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from hear_cacophony.frontend.resample import resample
from hear_tasks.debian_packages import Source, SourceError, find_source
from hear_tasks.demo.soundfont import RENDER_RATE, TIM_GM, Note, SoundFont
from hear_tasks.recordings import at_level
from hear_tasks.write_task import Clip, Event

PIECES = "openttd-openmsx"
KEYS = range(21, 109)
"""MIDI note numbers of a piano, A0 to C8. Others, which a piano does not have, are left out."""

VOCABULARY = [str(key) for key in KEYS]

SPLITS = {"train": (0, 2, 4), "valid": (1,), "test": (3,)}
"""Which of every five pieces, in the order of their names, a split has."""

FIFTHS = 5
SECONDS = 20
METADATA = {
    "embedding_type": "event",
    "prediction_type": "multilabel",
    "split_mode": "trainvaltest",
    "sample_duration": float(SECONDS),
    "evaluation": ["event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"],
    "evaluation_params": {
        "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [50]},
    },
}
PIANO = 0
"""MIDI program of the piano."""

DRUM_CHANNEL = 9
DRUM_PROGRAMS = range(112, 128)
"""MIDI programs without a pitch: percussion and sound effects."""

SHORTEST_MS = 50
"""Length of the shortest note: shorter ones are held that long, and a key that is struck again sooner (by another
channel in unison) is one note."""


def read_splits(sources: pathlib.Path | None) -> tuple[dict[str, Iterator[Clip]], str]:
    """Clips by split, made as they are asked for, and the attribution; see `hear_tasks.demo.tasks.build`."""
    pieces, font = find_source(PIECES, sources), find_source(TIM_GM.package, sources)
    files = _find_pieces(pieces)
    piano = SoundFont(TIM_GM.file(font))
    return {split: _clips(_share(files, fifths), piano) for split, fifths in SPLITS.items()}, _credits(pieces, font)


def read_piece(file: pathlib.Path) -> list[Note]:
    """The notes of all channels but the drums, in the order of their starts, as one piano can play them.

    Raises:
        SourceError: it is no MIDI file, or damaged.
        ModuleNotFoundError: mido is not installed.
    """
    return _merge(_read_notes(file))


def excerpt(notes: Sequence[Note], milliseconds: int) -> list[Note]:
    """The notes that start in the middle `milliseconds` of a piece, from 0 on; what sounds on is cut."""
    begin = max(0, (max((note.end for note in notes), default=0) - milliseconds) // 2)
    last = begin + milliseconds - SHORTEST_MS
    return [
        Note(note.key, note.velocity, note.start - begin, min(note.end - begin, milliseconds))
        for note in notes
        if begin <= note.start <= last
    ]


def _find_pieces(source: Source) -> list[pathlib.Path]:
    folder = source.folder / "usr" / "share" / "games" / "openttd" / "baseset" / "openmsx"
    files = sorted(folder.glob("*.mid"))
    if len(files) < FIFTHS:
        raise SourceError(
            f"{folder}: expected {FIFTHS} or more pieces (*.mid), found {len(files)}; is this {source.package}?"
        )
    return files


def _share(files: Sequence[pathlib.Path], fifths: Sequence[int]) -> list[pathlib.Path]:
    return [file for i, file in enumerate(files) if i % FIFTHS in fifths]


def _clips(files: Iterable[pathlib.Path], piano: SoundFont) -> Iterator[Clip]:
    for file in files:
        notes = excerpt(read_piece(file), 1000 * SECONDS)
        if not notes:
            raise SourceError(f"{file}: expected notes in the middle of the piece, found none; is the package damaged?")
        played = piano.render(PIANO, notes, 1000 * SECONDS)
        events = [Event(str(note.key), note.start, note.end) for note in notes]
        yield Clip(f"{file.stem}.wav", at_level(resample(played, RENDER_RATE)), events)


def _read_notes(file: pathlib.Path) -> list[Note]:
    try:
        import mido  # here, so that the command line starts where the package's extra is not installed
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("reading MIDI files needs mido: pip install 'hear_cacophony[tasks]'") from error
    try:
        return _pair(mido.MidiFile(file))
    except (OSError, EOFError, ValueError, IndexError, mido.KeySignatureError) as error:
        raise SourceError(f"{file}: expected a MIDI file: {error!r}; is the package damaged?") from error


def _pair(messages: Iterable) -> list[Note]:
    """The notes between strikes and releases of a key in a channel."""
    seconds = 0.0
    programs: dict[int, int] = {}
    held: dict[tuple[int, int], tuple[int, int]] = {}
    notes: list[Note] = []

    def release(channel: int, key: int, time: int) -> None:
        start, velocity = held.pop((channel, key), (time, 0))
        if velocity:
            notes.append(Note(key, velocity, start, time))

    for message in messages:
        seconds += message.time
        time = round(1000 * seconds)
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            release(message.channel, message.note, time)
            pitched = message.channel != DRUM_CHANNEL and programs.get(message.channel, 0) not in DRUM_PROGRAMS
            if message.type == "note_on" and message.velocity and pitched and message.note in KEYS:
                held[message.channel, message.note] = time, message.velocity
    for channel, key in list(held):
        release(channel, key, round(1000 * seconds))
    return notes


def _merge(notes: Iterable[Note]) -> list[Note]:
    """The notes as one keyboard plays them: a key that is struck again is released first."""
    merged: dict[int, list[Note]] = {}
    for note in sorted(notes, key=lambda note: (note.start, note.key, note.end, note.velocity)):
        note = dataclasses.replace(note, end=max(note.end, note.start + SHORTEST_MS))
        before = merged.setdefault(note.key, [])
        if before and note.start - before[-1].start < SHORTEST_MS:
            last = before.pop()
            note = Note(note.key, max(last.velocity, note.velocity), last.start, max(last.end, note.end))
        elif before and before[-1].end > note.start:
            before[-1] = dataclasses.replace(before[-1], end=note.start)
        before.append(note)
    return sorted((note for each in merged.values() for note in each), key=lambda note: (note.start, note.key))


def _credits(pieces: Source, font: Source) -> str:
    return (
        f"Pieces: OpenMSX, from the Debian package {pieces.package}, version {pieces.version}.\n"
        "Copyright 2010-2021 the OpenMSX authors: Jim Redfarn, Tistou Blomberg, imuh3, mimm, Kyle Timmerman, -lucas- "
        "and others.\nLicence: GPL-2.\n"
        f"{TIM_GM.attribution(font)}"
        "All channels but the drums played by the piano, 20 s of each piece, at 16 kHz and a common level.\n"
    )
