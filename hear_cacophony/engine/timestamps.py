"""Where timestamp embeddings lie in time: exact arithmetic on sample counts.

A patch that starts at frame f reads the samples from 160 f to 160 f + 2800 (16 frames,
the last of which looks 400 samples ahead); its centre is sample 160 f + 1400, that is
10 f + 87.5 ms. All centres of one hop are congruent to the centre of the clip's first
patch, so that the patches of the plain, unshifted pass are always among them.
"""

from __future__ import annotations

import numpy as np

from hear_cacophony.engine.options import PATCH_MS
from hear_cacophony.frontend.spectrogram import HOP_LENGTH, PATCH_FRAMES, SAMPLE_RATE, STEP_LENGTH, WINDOW_OVERHANG

PATCH_CENTRE = (STEP_LENGTH + WINDOW_OVERHANG) // 2
"""Samples from the start of a patch to the centre of what it reads."""

SAMPLES_PER_MS = SAMPLE_RATE // 1000


def shifts(hop_ms: int) -> tuple[int, ...]:
    """Frames by which the passes start late that together give one embedding per `hop_ms`."""
    return tuple(range(0, PATCH_FRAMES, hop_ms * SAMPLES_PER_MS // HOP_LENGTH))


def lead_in_frames(hop_ms: int) -> int:
    """Frames of silence before the clip, so that the first centre comes within one hop of 0."""
    return 0 if hop_ms == PATCH_MS else PATCH_FRAMES // 2


def first_centre(hop_ms: int) -> int:
    """Centre of the first timestamp embedding, in samples from the start of the clip."""
    return PATCH_CENTRE - lead_in_frames(hop_ms) * HOP_LENGTH


def count_timestamps(num_samples: int, hop_ms: int) -> int:
    """Timestamp embeddings of a clip: the centres inside it, and at least one."""
    return max(1, -(-(num_samples - first_centre(hop_ms)) // (hop_ms * SAMPLES_PER_MS)))


def centre_timestamps(num_samples: int, hop_ms: int) -> np.ndarray:
    """Timestamps of the `hear` protocol.

    Args:
        num_samples: length of the clip at 16 kHz, at least 1.
        hop_ms: milliseconds between embeddings: 10, 20, 40, 80 or 160.

    Returns:
        Centres in milliseconds, evenly spaced, all inside the clip, shape (timestamps,),
        float64. A clip that ends before the first centre (7.5 ms; 87.5 ms at a hop of
        160 ms) has one embedding, at its middle.
    """
    start = first_centre(hop_ms)
    if num_samples <= start:
        return np.array([num_samples / 2 / SAMPLES_PER_MS])
    centres = start + np.arange(count_timestamps(num_samples, hop_ms)) * (hop_ms * SAMPLES_PER_MS)
    return centres / SAMPLES_PER_MS


def published_timestamps(seconds: float, count: int) -> np.ndarray:
    """Timestamps of the published evaluation scripts, in milliseconds, shape (count,), float64.

    They run evenly from 0 to the end, which are not the centres of the patches: they lag
    at the start and run ahead at the end by up to 80 ms.
    """
    return np.linspace(0.0, seconds * 1000, count)
