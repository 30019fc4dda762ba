"""How well a model does on the clips that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np

from hear_cacophony.training.batches import Batch, Batches
from hear_cacophony.training.captions import Captions
from hear_cacophony.training.processes import SharedError
from hear_cacophony.training.step import Mesh

MOST_CLIPS = 512
"""Most clips that are looked at."""


class HeldOut:
    """The held-out clips of a run.

    Attributes:
        clips: how many are looked at.
        extent: the same in words, beside how many there are.
    """

    def __init__(
        self,
        measure: Callable[[dict[str, jax.Array], Batch], dict[str, jax.Array]],
        batches: Batches,
        captions: Sequence[Captions],
        size: int,
        mesh: Mesh,
    ) -> None:
        """Choose clips.

        Args:
            measure: what an objective measures of a batch.
            batches: of the run.
            captions: those of all clips, by number.
            size: clips in a batch of the run. One of held-out clips has as many, or else a divisor of it that all
                devices can share.
            mesh: all devices.

        Raises:
            SharedError: fewer clips are held out than there are devices.
        """
        available = len(batches.split.held_out)
        # A divisor, so that it hardly ever depends on how many devices there are.
        sizes = [each for each in range(len(mesh), min(size, available) + 1, len(mesh)) if size % each == 0]
        if not sizes:
            raise SharedError(
                f"{available} clips are held out, {len(mesh)} devices need at least one each; raise --held-out, or "
                "pack more sounds"
            )
        size = sizes[-1]
        self._parts = batches.held_out(size, MOST_CLIPS)
        self._captions, self._mesh = captions, mesh
        self._measure = jax.jit(measure, out_shardings=mesh.whole)
        self.clips = size * len(self._parts)
        self.extent = f"{self.clips:,} of {available:,} clips, in batches of {size}"

    def look(self, parameters: dict[str, jax.Array]) -> dict[str, float]:
        """The mean of the batches' losses as "held_out_loss".

        In stage 1 "patch_mean_loss", too: what it were if each patch were restored as its own mean. In stage 2
        "recall_at_1": the share of clips for which the most similar one of their first captions is their own, or is
        equal to it; of a single clip it would tell nothing, and is not there.
        """
        measured = [
            {name: np.asarray(x) for name, x in self._measure(parameters, self._mesh.split(load())).items()}
            for _, load in self._parts
        ]
        told = {"held_out_loss": float(np.mean([each["loss"] for each in measured]))}
        if "patch_mean_loss" in measured[0]:
            told["patch_mean_loss"] = float(np.mean([each["patch_mean_loss"] for each in measured]))
        if "audio" in measured[0] and self.clips > 1:
            audio, text = (np.concatenate([each[name] for each in measured]) for name in ("audio", "text"))
            numbers = [number for part, _ in self._parts for number in part]
            told["recall_at_1"] = recall_at_1(audio @ text.T, [self._captions[number][0].text for number in numbers])
        return told


def recall_at_1(similarities: np.ndarray, texts: Sequence[str]) -> float:
    """Share of clips whose most similar text is that of the clip, or one that reads the same.

    Args:
        similarities: of each clip with the text of each, shape (clips, clips).
        texts: of the clips.
    """
    best = similarities.argmax(axis=1)
    return float(np.mean([texts[found] == own for found, own in zip(best, texts, strict=True)]))
