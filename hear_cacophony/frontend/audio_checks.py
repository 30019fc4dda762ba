"""Checks on audio before it is embedded."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

LOUD = 1.5
"""Peak above which samples were hardly meant to lie in [-1, 1]; resampling alone overshoots by less."""


def as_batch(audio) -> np.ndarray:
    """A batch of clips of one length as a NumPy array.

    Args:
        audio: a TensorFlow, torch, JAX or NumPy array of floats, shape (n_sounds, n_samples).

    Raises:
        ValueError: another number of dimensions, or no samples.
        TypeError: not an array of floats.
    """
    array = _as_numpy(audio)
    if array.ndim != 2:
        hint = {1: "; add an axis for a single clip: audio[None, :]", 3: "; mix channels down to mono"}
        raise ValueError(
            f"expected audio of shape (n_sounds, n_samples), got shape {array.shape}{hint.get(array.ndim, '')}"
        )
    if 0 in array.shape:
        raise ValueError(f"expected audio of shape (n_sounds, n_samples) with at least one sample, got {array.shape}")
    return _as_floats(array)


def as_clips(clips) -> list[np.ndarray]:
    """Clips of any lengths as a list of NumPy arrays.

    Args:
        clips: a sequence of arrays of floats, each of shape (samples,), or one array of
            shape (clips, samples).

    Raises:
        ValueError: no clip, a clip with another number of dimensions, or without samples.
        TypeError: a clip is not an array of floats.
    """
    if not isinstance(clips, Sequence):
        return list(as_batch(clips))
    if not clips:
        raise ValueError("expected at least one clip, got none")
    return [_as_clip(clip, i) for i, clip in enumerate(clips)]


def check_samples(clips: Sequence[np.ndarray]) -> None:
    """Raise ValueError if a sample is NaN or infinite; the message says where the first one is."""
    for i, clip in enumerate(clips):
        if not np.isfinite(clip).all():
            first = int(np.argmin(np.isfinite(clip)))
            raise ValueError(
                f"expected finite samples, got {clip[first]} at sample {first} of clip {i}; "
                "is the file damaged, or was a silent clip divided by its peak?"
            )


def is_loud(clips: Sequence[np.ndarray]) -> bool:
    """Whether a sample lies far outside [-1, 1]."""
    return any(np.abs(clip).max() > LOUD for clip in clips)


def warn_loud(clips: Sequence[np.ndarray]) -> None:
    """Warn that samples lie far outside [-1, 1]."""
    peak = max(float(np.abs(clip).max()) for clip in clips)
    warnings.warn(
        f"expected samples in [-1, 1], got a peak of {peak:.6g}: the embeddings will be off; "
        "are these 16-bit integers as floats? divide them by 32768",
        stacklevel=3,
    )


def _as_clip(clip, index: int) -> np.ndarray:
    array = _as_numpy(clip)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"expected clips of shape (samples,) with at least one sample, got {array.shape} in clip {index}"
        )
    return _as_floats(array)


def _as_numpy(audio) -> np.ndarray:
    if hasattr(audio, "detach"):  # a torch tensor may need its gradient and its device left behind
        audio = audio.detach().cpu()
    return np.asarray(audio)


def _as_floats(array: np.ndarray) -> np.ndarray:
    if np.issubdtype(array.dtype, np.integer):
        peak = max(abs(int(np.iinfo(array.dtype).min)), int(np.iinfo(array.dtype).max) // 2 + 1)
        raise TypeError(
            f"expected float samples in [-1, 1], got {array.dtype}; "
            f"scale them: audio.astype('float32') / {peak}"
            + (" - 1" if np.issubdtype(array.dtype, np.unsignedinteger) else "")
        )
    if not (np.issubdtype(array.dtype, np.floating) or array.dtype.name == "bfloat16"):
        raise TypeError(f"expected float samples in [-1, 1], got {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float32)
