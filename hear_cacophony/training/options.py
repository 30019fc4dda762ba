"""The options of a training run, checked once, before any work."""

from __future__ import annotations

import dataclasses
import math

from hear_cacophony.engine.options import PRECISIONS
from hear_cacophony.engine.tokens import MAX_TOKENS
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE, STEP_LENGTH
from hear_cacophony.model.stages import AUDIOMAE, Stage, find_stage
from hear_cacophony.training.sizes import Sizes

MOST_STEPS = 1_000_000_000
"""That 32 bits count."""


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """Everything that the result of a run depends on, but for data and devices.

    Where nothing else is known, the values are those of Huang et al., 2022 (AudioMAE).

    Attributes:
        stage: "audiomae" or "cacophony".
        sizes: of the towers.
        steps: updates of the parameters.
        batch: clips in each, over all devices.
        learning_rate: the highest, after warm-up.
        warmup: steps in which it rises.
        weight_decay: of kernels.
        clip: largest norm of a gradient.
        accumulate: parts that a batch is computed in, one after another; in stage 2 each clip is contrasted with
            those of its own part alone.
        seconds: longest excerpt of a clip.
        patches: most patches of a clip that are encoded, drawn at random.
        mask_ratio: stage 1: share of the patches that are not encoded.
        restore: stage 1: most of the others that are restored.
        normalise: stage 1: normalise each patch to restore by its mean and variance.
        tokens: stage 2: longest text, both marks included.
        synthetic_share: stage 2: how often a synthetic caption is drawn of a clip that has both kinds.
        caption_weight: stage 2: weight of the captioning loss beside the contrastive one.
        held_out: share of the sounds that is not trained on.
        checkpoint_every: steps from one checkpoint, and look at the held-out sounds, to the next.
        precision: "float32", or "bfloat16" for the matrix products.
        remat: compute again for the gradient what is between the layers, instead of keeping it.
        seed: of everything that is drawn.
        audio, text, start: files that the parameters start from; "" for none.
    """

    stage: str
    sizes: Sizes
    steps: int
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float = 1e-4
    clip: float = 1.0
    accumulate: int = 1
    seconds: float = 10.0
    patches: int = 500
    mask_ratio: float = 0.8
    restore: int = 150
    normalise: bool = False
    tokens: int = 77
    synthetic_share: float = 0.8
    caption_weight: float = 1.0
    held_out: float = 0.05
    checkpoint_every: int = 500
    precision: str = "float32"
    remat: bool = False
    seed: int = 0
    audio: str = ""
    text: str = ""
    start: str = ""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "patches", "restore", "checkpoint_every"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        self._check("steps", self.steps <= MOST_STEPS, f"at most {MOST_STEPS:,}")
        self._check("learning_rate", 0 < self.learning_rate < math.inf, "a number above 0")
        self._check("warmup", 0 <= self.warmup < self.steps, f"less than the {self.steps} steps")
        self._check("weight_decay", 0 <= self.weight_decay < math.inf, "a number of 0 or more")
        self._check("clip", 0 < self.clip < math.inf, "a number above 0")
        self._check("seconds", STEP_LENGTH / SAMPLE_RATE <= self.seconds <= 120, "0.16 to 120")
        self._check("mask_ratio", 0 < self.mask_ratio < 1, "a share between 0 and 1")
        self._check("tokens", 3 <= self.tokens <= MAX_TOKENS, f"3 to {MAX_TOKENS}")
        self._check("synthetic_share", 0 <= self.synthetic_share <= 1, "a share from 0 to 1")
        self._check("caption_weight", 0 <= self.caption_weight < math.inf, "a number of 0 or more")
        self._check("held_out", 0 < self.held_out < 1, "a share between 0 and 1")
        self._check("precision", self.precision in PRECISIONS, " or ".join(PRECISIONS))
        self._check("seed", self.seed >= 0, "0 or more")
        if self.batch % self.accumulate:
            raise ValueError(f"--batch {self.batch}: expected a multiple of --accumulate {self.accumulate}")
        if self.of is not AUDIOMAE and self.batch // self.accumulate < 2:
            raise ValueError(
                f"--batch {self.batch}, --accumulate {self.accumulate}: expected 2 clips or more in each part of a "
                "batch, as stage 2 contrasts those of a part with each other"
            )
        if self.start and (self.audio or self.text):
            raise ValueError("--start goes on from all towers of a checkpoint; it goes with neither --audio nor --text")
        if self.of is AUDIOMAE and (self.audio or self.text):
            raise ValueError("--audio and --text are for stage 2: train cacophony")

    @property
    def of(self) -> Stage:
        """The stage."""
        return find_stage(self.stage)

    @property
    def longest_steps(self) -> int:
        """Time steps of the longest excerpt."""
        return int(self.seconds * SAMPLE_RATE) // STEP_LENGTH

    def _check(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ValueError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected {expected}")
