"""What a map shows: sounds, their embeddings, and what their colours tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Points:
    """Sounds with their embeddings.

    Attributes:
        names: of the audio files, for people.
        files: their paths; "" where it is not known where the audio is.
        embeddings: shape (sounds, size), float32.
        faults: what is wrong with sounds that have none, by name.
        facts: what made them, in pairs of a name and a text.
        spans: where each begins and ends in its file, in seconds; none where each is a whole file.
        what: they are, for people, such as "sounds".
    """

    names: Sequence[str]
    files: Sequence[str]
    embeddings: np.ndarray
    faults: Mapping[str, str]
    facts: Sequence[tuple[str, str]]
    spans: Sequence[tuple[float, float]] = ()
    what: str = "sounds"

    def finite(self) -> np.ndarray:
        """Whether the embedding of each is, shape (sounds,)."""
        return np.isfinite(self.embeddings).all(axis=1) if len(self.names) else np.ones(0, bool)

    def kept(self, good: np.ndarray) -> Points:
        """Those that are `good`; the others become faults, as their embeddings are not finite."""
        rows, bad = np.flatnonzero(good).tolist(), np.flatnonzero(~good).tolist()
        told = {self.names[i]: "expected a finite embedding, got NaN or infinity" for i in bad}
        return dataclasses.replace(
            self,
            names=[self.names[i] for i in rows],
            files=[self.files[i] for i in rows],
            embeddings=self.embeddings[good],
            faults={**self.faults, **told},
            spans=[self.spans[i] for i in rows] if self.spans else (),
        )


@dataclasses.dataclass(frozen=True)
class Colours:
    """What the colours of points tell.

    Attributes:
        title: such as "folder".
        values: of each point a text, or of all a number, None where there is none.
    """

    title: str
    values: Sequence[str | float | None]

    @property
    def are_numbers(self) -> bool:
        """Whether the values are numbers."""
        return any(isinstance(value, float) for value in self.values)

    def kept(self, good: np.ndarray) -> Colours:
        """Of those points that are `good`."""
        return Colours(self.title, [self.values[i] for i in np.flatnonzero(good).tolist()])
