"""What a run takes where nothing is said: by size and stage."""

from __future__ import annotations

import dataclasses
from typing import Any

from hear_cacophony.model.stages import AUDIOMAE, Stage
from hear_cacophony.training.sizes import SIZES, Sizes

WARMUP_SHARE, MOST_WARMUP = 0.1, 500
"""The rate rises over a share of all steps, and at most over so many: also a long run learns from its start on."""


@dataclasses.dataclass(frozen=True)
class Defaults:
    """Of one size; attributes as in `TrainOptions`.

    Attributes:
        seconds: of stage 1, and of stage 2.
        patches: of stage 2; stage 1 encodes what the mask ratio leaves.
    """

    steps: int
    learning_rate: float
    seconds: tuple[float, float]
    patches: int
    restore: int
    normalise: bool


DEFAULTS = {
    "tiny": Defaults(steps=5_000, learning_rate=1e-3, seconds=(2.0, 10.0), patches=200, restore=40, normalise=True),
    "small": Defaults(steps=10_000, learning_rate=1e-3, seconds=(2.0, 10.0), patches=200, restore=40, normalise=True),
    "base": Defaults(
        steps=100_000, learning_rate=2e-4, seconds=(10.0, 30.0), patches=500, restore=150, normalise=False
    ),
}
"""Those of tiny and small are for some hours of a few CPU cores: short excerpts, of which many are seen. The learning
rate of base is from Huang et al., 2022 (AudioMAE), for 512 clips. With patches of mean 0 and variance 1 the demo tasks
scored 0.380 in the mean after 3,000 steps of small, 0.401 after 4,000 and 0.430 after 10,000; with patches as they are
0.361 and less, and 0.346 before training."""


def nearest_name(sizes: Sizes) -> str:
    """The name of the sizes whose width is the nearest."""
    width = sizes.encoder.hidden_size
    return min(SIZES, key=lambda name: abs(SIZES[name].encoder.hidden_size - width))


def default_options(stage: Stage, size: str, steps: int | None = None) -> dict[str, Any]:
    """Options by their names.

    Args:
        stage: that is trained.
        size: name of a size.
        steps: of the run; those of the size unless given.
    """
    of, first = DEFAULTS[size], stage is AUDIOMAE
    steps = of.steps if steps is None else steps
    told = {
        "steps": steps,
        "learning_rate": of.learning_rate,
        "warmup": min(int(WARMUP_SHARE * steps), MOST_WARMUP),
        "seconds": of.seconds[stage.number - 1],
    }
    return {**told, "restore": of.restore, "normalise": of.normalise} if first else {**told, "patches": of.patches}
