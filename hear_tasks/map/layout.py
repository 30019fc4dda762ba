"""Places in a plane for embeddings: alike ones near each other, the same places in every run."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np

from hear_cacophony.installed import without

SEED = 0
NEIGHBOURS = 15
"""Of UMAP, as its authors have it."""

_EPOCHS = 200
_MOST_COMPARED = 50_000
"""Embeddings of which each is compared with all others; of more, UMAP looks for neighbours itself."""

_BLOCK = 1024
_COMPONENTS = 50
"""Principal components that UMAP gets of longer embeddings."""

_SPREAD = 0.004
"""Of equal embeddings, whose points would hide each other, in parts of the width of the map."""

_GOLDEN_ANGLE = 2.399963


def lay_out(embeddings: np.ndarray) -> tuple[np.ndarray, str]:
    """A place for each embedding.

    Args:
        embeddings: finite, shape (sounds, size), at least one.

    Returns:
        Shape (sounds, 2), and what was done, for people.
    """
    different, inverse = np.unique(embeddings, axis=0, return_inverse=True)
    if len(different) > NEIGHBOURS and importlib.util.find_spec("umap") is not None:
        places, told = _umap(different), f"UMAP, {NEIGHBOURS} neighbours, seed {SEED}"
    else:
        places, share = principal_components(different, 2)
        told = f"two principal components, {share:.0%} of the variance"
        if len(different) > NEIGHBOURS:
            told += "; for UMAP: pip install 'hear_cacophony[map]'"
    return _spread(places[inverse.ravel()], inverse.ravel()), told


def _umap(embeddings: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and of its own, on what is chosen here
        with without("tensorflow"):
            import umap

        components = principal_components(embeddings, _COMPONENTS)[0].astype(np.float32)
        chosen: dict[str, Any] = {"n_neighbors": NEIGHBOURS, "n_epochs": _EPOCHS, "init": "pca"}
        if len(components) <= _MOST_COMPARED:
            chosen["precomputed_knn"] = (*nearest_neighbours(components, NEIGHBOURS), None)
        reducer = umap.UMAP(**chosen, random_state=SEED, n_jobs=1)
        return np.asarray(reducer.fit_transform(components), float)


def nearest_neighbours(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of each row, itself first: quicker for some thousands than to compile a search for them.

    Args:
        rows: shape (rows, size), float32.
        count: how many; at most as many as there are rows.

    Returns:
        Their indices, and their Euclidean distances, each of shape (rows, count).
    """
    squares = (rows * rows).sum(axis=1)
    indices, distances = np.empty((len(rows), count), np.int32), np.empty((len(rows), count), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        squared = squares + squares[start : start + len(block), None] - 2 * (block @ rows.T)
        squared[np.arange(len(block)), start + np.arange(len(block))] = -1  # nearer than any equal one
        near = np.argpartition(squared, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(squared, near, 1), axis=1, kind="stable")
        near = np.take_along_axis(near, order, 1)
        indices[start : start + len(block)] = near
        distances[start : start + len(block)] = np.sqrt(np.take_along_axis(squared, near, 1).clip(0))
    return indices, distances


def principal_components(embeddings: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """The principal components of embeddings, and the part of the variance that they hold.

    Args:
        embeddings: shape (sounds, size).
        count: how many; those that are not there are 0.

    Returns:
        Shape (sounds, count), those of the largest variance first; the largest value of each is positive.
    """
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    found = centred @ axes[:, ::-1][:, :count]
    components = np.zeros((len(embeddings), count))
    components[:, : found.shape[1]] = found
    largest = components[np.abs(components).argmax(axis=0), np.arange(count)]
    total = float(variances.clip(0).sum())
    share = float(variances[::-1][:count].clip(0).sum()) / total if total > 0 else 1.0
    return components * np.where(largest < 0, -1, 1), share


def _spread(places: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Points of equal embeddings in a spiral around their place."""
    width = float(np.ptp(places, axis=0).max()) or 1.0
    counts: dict[int, int] = {}
    spread = places.copy()
    for i, group in enumerate(groups.tolist()):
        number = counts.get(group, 0)
        counts[group] = number + 1
        angle = number * _GOLDEN_ANGLE
        spread[i] += _SPREAD * width * np.sqrt(number) * np.array([np.cos(angle), np.sin(angle)])
    return spread
