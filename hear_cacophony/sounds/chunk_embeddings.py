"""Embeddings of the clips of a chunk. How they share batches depends on the chunk alone, and so do their last bits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hear_cacophony.sounds.chunks import Compute, Prepare
from hear_cacophony.sounds.excerpts import excerpt_bounds
from hear_cacophony.sounds.find import Sound

if TYPE_CHECKING:
    from hear_cacophony.engine.embedding import Embedder  # which imports JAX


def scene_embeddings(load: Callable[[], Embedder]) -> Prepare:
    """One embedding for each clip: `embeddings`, shape (clips, size).

    Args:
        load: gives the model, whenever it is needed.
    """

    def compute(model: Embedder, clips: list[np.ndarray], _: list[Sound]) -> dict[str, np.ndarray]:
        for clip in clips:
            model.check_length(len(clip))
        return {"embeddings": _without_history(model).embed_scenes(clips)}

    return lambda: functools.partial(compute, load())


def timestamp_embeddings(model: Embedder) -> Compute:
    """Embeddings along each clip: `embeddings`, `timestamps` in milliseconds, and `lengths`, how many each clip has."""

    def compute(clips: list[np.ndarray], _: list[Sound]) -> dict[str, np.ndarray]:
        along = _without_history(model).embed_timestamps(clips)
        return {
            "embeddings": np.concatenate([each.embeddings for each in along]),
            "timestamps": np.concatenate([each.timestamps for each in along]),
            "lengths": np.array([len(each.timestamps) for each in along]),
        }

    return compute


def excerpt_embeddings(load: Callable[[], Embedder], seconds: float) -> Prepare:
    """Embeddings of the excerpts of each clip: `embeddings`, and `lengths`, how many each clip has."""

    def compute(model: Embedder, clips: list[np.ndarray], _: list[Sound]) -> dict[str, np.ndarray]:
        parts = [[clip[start:end] for start, end in excerpt_bounds(len(clip), seconds)] for clip in clips]
        return {
            "embeddings": _without_history(model).embed_scenes([part for each in parts for part in each]),
            "lengths": np.array([len(each) for each in parts]),
        }

    return lambda: functools.partial(compute, load())


def _without_history(model: Embedder) -> Embedder:
    """The model without the sizes of earlier batches, which later ones would be filled up to."""
    return model.with_options(model.options)
