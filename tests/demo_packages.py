"""Made-up Debian packages of recordings, a sound font and MIDI pieces, as small as the demo tasks can use."""

from __future__ import annotations

import pathlib
import struct

import mido
import numpy as np
import soundfile

SAMPLES = pathlib.Path("usr", "share", "sonic-pi", "samples")
PIECES = pathlib.Path("usr", "share", "games", "openttd", "baseset", "openmsx")
PERIOD = 100
"""Samples of one period of A4 (440 Hz) at 44 kHz."""

FAMILIES = ("ambi", "bass", "bd", "drum", "elec", "guit", "loop", "perc", "sn", "tabla")
STROKES = {
    "drum_cymbal_": 4,
    "bd_": 4,
    "sn_": 4,
    "tabla_ghe_": 4,
    "tabla_na_": 4,
    "drum_tom_": 4,
}
AMBIENCE = "ambi_dark_woosh ambi_glass_hum ambi_haunted_hum vinyl_hiss ambi_glass_rub ambi_lunar_land ambi_drone"


def write_sound(file: pathlib.Path, samples: np.ndarray, rate: int = 44_100) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate)


def noise(seconds: float, seed: int, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(int(seconds * 44_100))


def make_tags_package(sources: pathlib.Path, seconds: float = 0.5) -> pathlib.Path:
    """Four samples of each family, of different lengths."""
    folder = sources / "sonic-pi-samples"
    for i, family in enumerate(FAMILIES):
        for j in range(4):
            write_sound(folder / SAMPLES / f"{family}_{j}.flac", noise(seconds + 0.1 * j, 10 * i + j))
    return folder


def make_strokes_package(sources: pathlib.Path) -> pathlib.Path:
    """Strokes of 0.4 s after 0.1 s of silence, two channels, and ambience of 2 s."""
    folder = sources / "sonic-pi-samples"
    for i, (prefix, count) in enumerate(STROKES.items()):
        for j in range(count):
            stroke = np.concatenate([np.zeros(4_410), noise(0.4, 100 + 10 * i + j)])
            write_sound(folder / SAMPLES / f"{prefix}{j}.flac", stroke[:, None].repeat(2, axis=1))
    for i, name in enumerate([*AMBIENCE.split(), "ambi_sauna"]):
        write_sound(folder / SAMPLES / f"{name}.flac", noise(2, i, 0.02))
    return folder


def wave(*harmonics: float) -> np.ndarray:
    """One period with these amplitudes of its harmonics."""
    time = 2 * np.pi * np.arange(PERIOD) / PERIOD
    return sum((a * np.cos((i + 1) * time) for i, a in enumerate(harmonics)), start=np.zeros(PERIOD))


def write_sound_font(file: pathlib.Path, programs: dict[int, tuple[np.ndarray, int]]) -> None:
    """A sound font (SF2) in which a program repeats one period, at 440 Hz for the key given beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    length = 20 * PERIOD
    samples, headers, presets, instruments = b"", b"", b"", b""
    bags, preset_generators, instrument_bags, generators = b"", b"", b"", b""
    for i, (program, (period, key)) in enumerate(sorted(programs.items())):
        start = len(samples) // 2
        samples += (np.tile(period, 20) * 32767).astype("<i2").tobytes() + bytes(2 * 46)
        loop = (start, start + length, start + PERIOD, start + length - PERIOD, 44_000, key, 0, 0, 1)
        headers += struct.pack("<20s5IBbHH", f"wave{i}".encode(), *loop)
        presets += struct.pack("<20sHHHIII", f"program{program}".encode(), program, 0, i, 0, 0, 0)
        bags += struct.pack("<HH", i, 0)
        preset_generators += struct.pack("<HH", 41, i)  # the instrument
        instruments += struct.pack("<20sH", f"instrument{i}".encode(), i)
        instrument_bags += struct.pack("<HH", 2 * i, 0)
        generators += struct.pack("<HHHH", 54, 1, 53, i)  # repeat, the sample
    count = len(programs)
    articulation = [
        _chunk(b"phdr", presets + struct.pack("<20sHHHIII", b"EOP", 0, 0, count, 0, 0, 0)),
        _chunk(b"pbag", bags + struct.pack("<HH", count, 0)),
        _chunk(b"pmod", bytes(10)),
        _chunk(b"pgen", preset_generators + bytes(4)),
        _chunk(b"inst", instruments + struct.pack("<20sH", b"EOI", count)),
        _chunk(b"ibag", instrument_bags + struct.pack("<HH", 2 * count, 0)),
        _chunk(b"imod", bytes(10)),
        _chunk(b"igen", generators + bytes(4)),
        _chunk(b"shdr", headers + struct.pack("<20s5IBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ]
    info = _chunk(b"ifil", struct.pack("<HH", 2, 1)) + _chunk(b"INAM", b"made up\0")
    lists = [b"INFO" + info, b"sdta" + _chunk(b"smpl", samples), b"pdta" + b"".join(articulation)]
    file.write_bytes(_chunk(b"RIFF", b"sfbk" + b"".join(_chunk(b"LIST", each) for each in lists)))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def write_piece(file: pathlib.Path, notes: list[tuple[int, int, int, int]], program: int | None = None) -> None:
    """A MIDI file of notes: channel, key, start and end in ms. A beat is 500 ms, and has 500 ticks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    piece = mido.MidiFile(ticks_per_beat=500)
    track = piece.add_track()
    if program is not None:
        track.append(mido.Message("program_change", channel=3, program=program))
    moves = [(start, 1, channel, key) for channel, key, start, _ in notes]
    moves += [(end, 0, channel, key) for channel, key, _, end in notes]
    now = 0
    for time, down, channel, key in sorted(moves):
        track.append(mido.Message("note_on", channel=channel, note=key, velocity=80 * down, time=time - now))
        now = time
    piece.save(file)
