"""Sounds that are near to something, by their embeddings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Self

import numpy as np

from hear_cacophony.sounds.chunks import Results
from hear_cacophony.sounds.find import Sound


@dataclasses.dataclass(frozen=True)
class Matches:
    """Embeddings of sounds.

    Attributes:
        sounds: in the order in which they were found.
        embeddings: of unit norm, shape (sounds, size), float32.
        digests: of the contents of their files.
        faults: what is wrong with sounds that have none, by name.
    """

    sounds: tuple[Sound, ...]
    embeddings: np.ndarray
    digests: tuple[str, ...]
    faults: Mapping[str, str]

    @classmethod
    def of(cls, results: Results) -> Self:
        """All `embeddings` that there are."""
        chunks = [chunk for chunk in results if chunk.sounds]
        arrays = [chunk.arrays["embeddings"] for chunk in chunks]
        rows = np.concatenate(arrays) if arrays else np.empty((0, 0), np.float32)
        sounds = tuple(sound for chunk in chunks for sound in chunk.sounds)
        return cls(sounds, rows, tuple(digest for chunk in chunks for digest in chunk.digests), results.faults)

    def nearest(self, query: np.ndarray, count: int) -> list[tuple[Sound, float]]:
        """The sounds nearest to an embedding of unit norm, shape (size,), with their cosine similarity, best first."""
        if not self.sounds:
            return []
        similar = self.embeddings @ query
        order = np.argsort(-similar, kind="stable")[:count]
        return [(self.sounds[i], float(similar[i])) for i in order]
