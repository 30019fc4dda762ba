"""Checks on audio before it is embedded."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

LOUD = 1.5
"""Peak above which samples were hardly meant to lie in [-1, 1]; resampling alone overshoots by less."""

MOST_CHANNELS = 8
"""So few samples are no clip: where there are far more along the other axis, they are channels."""


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
    samples, channels = array.shape
    if channels <= MOST_CHANNELS and samples > 100 * channels:
        raise ValueError(
            f"expected audio of shape (n_sounds, n_samples), got {array.shape}, which looks like (samples, channels); "
            "mix it down to mono: audio.mean(axis=1)[None, :]"
        )
    return _as_floats(array)


def as_clip(clip, index: int) -> np.ndarray:
    """One clip as a NumPy array of shape (samples,), float32.

    Args:
        clip: an array of floats of shape (samples,).
        index: its number, for the messages.

    Raises:
        ValueError: another number of dimensions, or no samples.
        TypeError: not an array of floats.
    """
    array = _as_numpy(clip)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"expected clips of shape (samples,) with at least one sample, got {array.shape} in clip {index}"
            f"{_clip_hint(array)}"
        )
    return _as_floats(array)


def check_samples(clips: Sequence[np.ndarray] | np.ndarray, first: int = 0) -> None:
    """Raise ValueError if a sample is NaN or infinite; the message says where the first one is.

    Clips are counted from `first`.
    """
    for i, clip in enumerate(clips, first):
        check_finite(clip, of=f" of clip {i}")


def check_finite(samples: np.ndarray, first: int = 0, of: str = "") -> None:
    """Raise ValueError if a sample is NaN or infinite; the message says where, counted from `first`, and of what."""
    finite = np.isfinite(samples)
    if not finite.all():
        place = int(np.argmin(finite))
        raise ValueError(
            f"expected finite samples, got {samples[place]} at sample {first + place}{of}; "
            "is the file damaged, or was a silent clip divided by its peak?"
        )


def is_loud(clips: Sequence[np.ndarray]) -> bool:
    """Whether a sample lies far outside [-1, 1]."""
    return any(_peak(clip) > LOUD for clip in clips)


def warn_loud(clips: Sequence[np.ndarray]) -> None:
    """Warn that samples lie far outside [-1, 1]."""
    warnings.warn(describe_loud(clips, ": the embeddings will be off"), stacklevel=3)


def describe_loud(clips: Sequence[np.ndarray], follows: str = "") -> str:
    """What is wrong with samples far outside [-1, 1], what follows from it, and what may be the cause."""
    return (
        f"expected samples in [-1, 1], got a peak of {max(map(_peak, clips)):.6g}{follows}; "
        "are these 16-bit integers as floats? divide them by 32768"
    )


def _peak(clip: np.ndarray) -> float:
    """Of the absolute values, which are not written down beside the clip."""
    return max(float(clip.max()), -float(clip.min()))


def _clip_hint(array: np.ndarray) -> str:
    if array.ndim == 0:
        return "; a single clip goes into a list: [clip]"
    if array.ndim == 2 and array.size:
        axis = int(np.argmin(array.shape))
        return f"; mix {array.shape[axis]} channels down to mono: clip.mean(axis={axis})"
    return ""


def _as_numpy(audio) -> np.ndarray:
    if isinstance(audio, np.ma.MaskedArray):
        raise TypeError("expected samples, got a masked array; audio.filled(0.0) makes silence of what is masked")
    if hasattr(audio, "detach"):  # a torch tensor may need its gradient and its device left behind
        audio = audio.detach().cpu()
        if audio.dtype.is_floating_point and audio.dtype.itemsize < 4:  # NumPy knows no bfloat16
            audio = audio.float()
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
