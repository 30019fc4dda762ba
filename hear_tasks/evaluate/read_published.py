"""Audio files of any format and rate as 16 kHz mono, in the way of the published evaluation."""

from __future__ import annotations

import importlib.util
import pathlib

import numpy as np

from hear_cacophony.files.audio_extent import check_whole
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE


def check_installed(protocol: str) -> None:
    """Raise ModuleNotFoundError, before any work, where the protocol's resampler is not installed."""
    package = "scipy" if protocol == "published" else "soxr"
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(f"resampling needs {package}: pip install 'hear_cacophony[tasks]'")


def read_published(path: pathlib.Path) -> np.ndarray:
    """Read a file as the published evaluation does: mean of the channels, resampled in the Fourier domain.

    Where that takes the rate from its configuration, this takes the file's own.

    Returns:
        Shape (round(n * 16000 / rate),), float32, 16 kHz.

    Raises:
        ValueError: it is no audio, was cut, has no samples, or samples that are not finite; the message says which.
        OSError: it cannot be read.
    """
    import scipy.signal  # here, so that the command line starts where the package's extra is not installed

    samples, rate = _read(path)
    mono = samples.mean(axis=1)
    if rate == SAMPLE_RATE:
        return mono
    return scipy.signal.resample(mono, round(len(mono) * float(SAMPLE_RATE) / rate)).astype(np.float32)


def _read(path: pathlib.Path) -> tuple[np.ndarray, int]:
    """Samples, float32, shape (frames, channels), and their rate in Hz."""
    import soundfile

    check_whole(path)
    try:
        with soundfile.SoundFile(path) as file:
            samples, rate, expected = file.read(dtype="float32", always_2d=True), file.samplerate, file.frames
    except soundfile.LibsndfileError as error:
        raise ValueError(f"expected an audio file: {error}") from None
    if not len(samples):
        raise ValueError("expected samples, got none")
    if len(samples) < expected:
        raise ValueError(f"expected {expected} samples by its header, got {len(samples)}; was it cut?")
    if not np.isfinite(samples).all():
        raise ValueError("expected finite samples, got NaN or infinity")
    return samples, rate
