"""A folder of tones, and the arguments that name a tiny checkpoint with a text side."""

from __future__ import annotations

import pathlib

import numpy as np
import soundfile
from conftest import write_checkpoint
from tokenizer_files import write_tokenizer


def write_tones(folder: pathlib.Path, count: int, first: int = 0, seconds: float = 0.5) -> list[str]:
    """Write 16 kHz tones of different pitches, 000.wav and so on; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(16_000 * seconds)) / 16_000
    files = [folder / f"{i:03}.wav" for i in range(first, first + count)]
    for i, file in enumerate(files, first):
        soundfile.write(file, 0.3 * np.sin(2 * np.pi * (200 + 97 * i) * time), 16_000)
    return list(map(str, files))


def write_text_model(folder: pathlib.Path) -> list[str]:
    """Write a tiny checkpoint and its tokenizer; the arguments that name it."""
    write_tokenizer(folder)
    return ["--model", str(write_checkpoint(folder / "tiny.ckpt", "Cacophony", tiny=True, audio_only=False))]
