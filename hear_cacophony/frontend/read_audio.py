"""An audio file as the encoders take it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import soundfile

from hear_cacophony.frontend.audio_checks import check_finite
from hear_cacophony.frontend.audio_file import BLOCK, AudioFile, AudioHeader, open_audio
from hear_cacophony.frontend.media_sound import media_seconds
from hear_cacophony.frontend.resample import SAMPLE_RATE, resample_blocks

_MOST_EXPECTED = 1 << 28
"""Samples that a place is made for on a header's word."""


def read_audio(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an audio file as one 16 kHz mono clip.

    Args:
        path: a file in a format that libsndfile reads: WAV, FLAC, OGG, MP3, AIFF and others, or, where av is
            installed, FFmpeg; of any sample rate, which is resampled, and any number of channels, whose mean is taken.

    Returns:
        Samples in [-1, 1], shape (samples,), float32. No more than them and some blocks of the file are held.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no audio file, damaged, cut short or empty, or holds NaN; the message names the file.
        TypeError: `path` is no path.
        ModuleNotFoundError: it has to be resampled, and soxr is not installed.
    """
    return read_audio_at(path, SAMPLE_RATE)


def read_audio_at(path: str | os.PathLike[str], rate: int) -> np.ndarray:
    """As `read_audio`, at `rate` samples per second."""
    try:
        with open_audio(path) as audio:
            blocks = resample_blocks(mono_blocks(audio), audio.header.rate, rate)
            return _joined(blocks, _expected_samples(audio.header, rate))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def header_seconds(path: str | os.PathLike[str]) -> float:
    """How long an audio file is by its header; 0 where that cannot be told, as of a file that is none."""
    name = os.fspath(path)
    if not os.path.isfile(name):  # to open a pipe is to wait for who writes to it
        return 0.0
    try:
        return soundfile.info(os.fsencode(name)).duration
    except (OSError, ValueError, RuntimeError, TypeError):
        return media_seconds(name)


def mono_blocks(audio: AudioFile, size: int = BLOCK, dtype: str = "float32") -> Iterator[np.ndarray]:
    """The mean of the channels, shape (samples,), block by block; see `AudioFile.blocks`."""
    position = 0
    for block in audio.blocks(size, dtype):
        mono = block.mean(axis=1)
        check_finite(mono, position)
        position += len(mono)
        yield mono


def _expected_samples(header: AudioHeader, rate: int) -> int:
    """Samples of the clip by the header of the file; as many as a block has where that does not tell."""
    return BLOCK if header.frames is None else min(_MOST_EXPECTED, header.frames * rate // header.rate + 1)


def _joined(blocks: Iterator[np.ndarray], expected: int) -> np.ndarray:
    """Blocks one after the other; none is held beside the result, which moves to a larger place where it has to."""
    joined, length = np.empty(expected, np.float32), 0
    for block in blocks:
        if length + len(block) > len(joined):
            grown = np.empty(2 * (length + len(block)), np.float32)
            grown[:length] = joined[:length]
            joined = grown
        joined[length : length + len(block)] = block
        length += len(block)
    return joined[:length]
