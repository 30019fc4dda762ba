"""Sounds of which there are several: equal files, and such as sound nearly alike."""

from __future__ import annotations

import dataclasses

import numpy as np

from hear_cacophony.sounds.find import Sound
from hear_cacophony.sounds.matches import Matches

_BLOCK = 1024
"""Sounds that are compared with all others at once."""

_ROUNDING = 1e-6
"""Of similarities: that of equal embeddings may be as much below 1."""


@dataclasses.dataclass(frozen=True)
class Duplicate:
    """A sound in a group.

    Attributes:
        sound: the sound.
        similarity: of its embedding and that of the first sound of the group, a cosine.
        same_content: whether its file is byte for byte that of the first.
    """

    sound: Sound
    similarity: float
    same_content: bool


def find_duplicates(found: Matches, threshold: float) -> list[list[Duplicate]]:
    """Groups of two and more sounds, each of which is near to another one of its group, in the order of the sounds.

    Args:
        found: the sounds.
        threshold: least cosine similarity of two that are near.
    """
    groups: dict[int, list[int]] = {}
    for i, group in enumerate(_groups(found, threshold).tolist()):
        groups.setdefault(group, []).append(i)
    return [_described(found, members) for members in groups.values() if len(members) > 1]


def _groups(found: Matches, threshold: float) -> np.ndarray:
    """The number of each sound's group, shape (sounds,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count, embeddings = len(found.sounds), found.embeddings
    numbers: dict[str, int] = {}
    groups = np.array([numbers.setdefault(digest, i) for i, digest in enumerate(found.digests)], int)
    for start in range(0, count, _BLOCK):
        near = embeddings[start : start + _BLOCK] @ embeddings.T >= threshold - _ROUNDING
        rows, columns = np.nonzero(near)
        links = (groups[rows + start], groups[columns])
        graph = coo_array((np.ones(len(rows), bool), links), shape=(count, count))
        groups = connected_components(graph, directed=False)[1][groups]
    return groups


def _described(found: Matches, members: list[int]) -> list[Duplicate]:
    first = members[0]
    similar = np.clip(found.embeddings[members] @ found.embeddings[first], -1, 1)
    return [
        Duplicate(found.sounds[i], 1.0 if i == first else float(near), found.digests[i] == found.digests[first])
        for i, near in zip(members, similar, strict=True)
    ]
