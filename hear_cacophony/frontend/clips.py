"""Clips as people give them, arrays of any library or files of any format, as the encoders take them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.frontend.audio_checks import as_batch, as_clip, check_samples
from hear_cacophony.frontend.resample import SAMPLE_RATE, check_rate, resample

_WANTED = "a list of mono clips or of audio files, the path of one file, or an array of shape (clips, samples)"


def as_clips(clips: Any, sample_rate: float = SAMPLE_RATE) -> list[np.ndarray]:
    """Clips of any lengths as a list of 16 kHz mono NumPy arrays, float32, each of shape (samples,).

    Args:
        clips: a sequence of clips, one array of shape (clips, samples), or the path of a file. A clip in a
            sequence is an array of floats of shape (samples,), or the path of a file.
        sample_rate: samples per second of the arrays; files tell their own.

    Raises:
        ValueError: no clip, a clip with another number of dimensions, or without samples; NaN or infinite samples;
            no possible sample rate; a file that is damaged, or no audio.
        FileNotFoundError: no such file.
        TypeError: `clips` is nothing of this, or a clip is not an array of floats.
    """
    check_rate(sample_rate)
    if _is_path(clips):
        return [_read(clips)]
    if isinstance(clips, Sequence) and not isinstance(clips, (bytes, bytearray, memoryview)):
        if not clips:
            raise ValueError("expected at least one clip, got none")
        return [_read(clip) if _is_path(clip) else _as_clip(clip, i, sample_rate) for i, clip in enumerate(clips)]
    _refuse_other_than_arrays(clips)
    batch = as_batch(clips)
    check_samples(batch)
    return [resample(clip, sample_rate) for clip in batch]


def _as_clip(clip: Any, index: int, sample_rate: float) -> np.ndarray:
    samples = as_clip(clip, index)
    check_samples([samples], first=index)
    return resample(samples, sample_rate)


def _read(path: str | os.PathLike[str]) -> np.ndarray:
    from hear_cacophony.frontend.read_audio import read_audio  # here, as arrays need no soundfile

    return read_audio(path)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _refuse_other_than_arrays(clips: Any) -> None:
    if hasattr(clips, "__next__"):
        raise TypeError(f"expected {_WANTED}, got a {type(clips).__name__}, which can be read once only: list(clips)")
    if not hasattr(clips, "__array__"):
        hint = f"; clips = list({type(clips).__name__})" if hasattr(clips, "__iter__") else ""
        raise TypeError(f"expected {_WANTED}, got {type(clips).__name__}{hint}")
    if getattr(getattr(clips, "dtype", None), "kind", "f") in "OUS":
        raise TypeError(f"expected {_WANTED}, got an array of {clips.dtype}; make it a list: list(clips)")
