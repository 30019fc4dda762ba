"""An audio file as the encoders take it."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import soundfile

from hear_cacophony.files.wav_header import check_whole
from hear_cacophony.frontend.audio_checks import check_samples
from hear_cacophony.frontend.resample import resample

BLOCK = 1 << 18
"""Samples of each channel that are held at a time while channels are mixed down."""


def read_audio(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an audio file as one 16 kHz mono clip.

    Args:
        path: a file in a format that libsndfile reads: WAV, FLAC, OGG, MP3, AIFF and others; of any sample
            rate, which is resampled, and any number of channels, whose mean is taken.

    Returns:
        Samples in [-1, 1], shape (samples,), float32.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no audio file, damaged, cut short or empty, or holds NaN; the message names the file.
        TypeError: `path` is no path.
        ModuleNotFoundError: it has to be resampled, and soxr is not installed.
    """
    file = _existing_file(path)
    try:
        check_whole(file)
        samples, rate = _read_mono(file)
        check_samples([samples])
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return resample(samples, rate)


def _existing_file(path: str | os.PathLike[str]) -> pathlib.Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"expected the path of an audio file, got {type(path).__name__}")
    file = pathlib.Path(path)
    if file.is_dir():
        raise ValueError(f"{file}: expected an audio file, got a folder; name its files: sorted(folder.glob('*.wav'))")
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such audio file; is the path right, seen from {pathlib.Path.cwd()}?")
    if not file.stat().st_size:
        raise ValueError(f"{file}: expected an audio file, this is empty; was a copy or download interrupted?")
    return file


def _read_mono(file: pathlib.Path) -> tuple[np.ndarray, int]:
    """The mean of the channels, shape (samples,), float32, and the sample rate."""
    try:
        with soundfile.SoundFile(file) as sound:
            expected, rate = sound.frames, sound.samplerate
            mono = [block.mean(axis=1) for block in sound.blocks(BLOCK, dtype="float32", always_2d=True)]
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"expected an audio file, such as WAV, FLAC, OGG or MP3, got: {error.error_string.strip().rstrip('.')}; "
            "is it what its name says, and whole? Other formats: ffmpeg -i IN OUT.wav"
        ) from error
    except TypeError as error:  # files named .raw, of which soundfile wants to be told everything
        raise ValueError("expected an audio file with a header, got headerless samples by its name") from error
    samples = np.concatenate(mono) if mono else np.empty(0, np.float32)
    if not expected:
        raise ValueError("expected samples, the file holds none; was a recording interrupted?")
    if len(samples) < expected:
        raise ValueError(f"expected {expected} samples by its header, got {len(samples)}; was a copy interrupted?")
    return samples, rate
