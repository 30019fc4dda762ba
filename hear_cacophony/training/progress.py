"""The progress of training: loss, speed, share of the devices' matrix rate, and the time left."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from hear_cacophony.engine.window_embedders import PRODUCTS
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_cacophony.progress import ProgressLine, clock
from hear_cacophony.training.batches import Batch
from hear_cacophony.training.objectives import Objective
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.step import Mesh

_SIDE, _CPU_SIDE, _REPEATS = 2048, 1024, 4
"""Rows and columns of the matrices: a processor is as fast with fewer, and would take a second of each start."""


class TrainProgress(ProgressLine):
    """Tells, in the first process alone, how far training is. The first step, which is compiled, does not count."""

    def __init__(self, options: TrainOptions, first: int, objective: Objective, mesh: Mesh) -> None:
        self._options, self._objective = options, objective
        self._step = self._first = first
        self._counted_from = time.monotonic()
        self._clips = self._hours = self._products = 0.0
        self._loss = float("nan")
        self._looked: Mapping[str, float] = {}
        self._rate = measure_matrix_rate(options.precision) * jax.local_device_count() if _is_told() else 0.0
        self._processes = jax.process_count()
        super().__init__()

    def made(self, batch: Batch, loss: float, looked: Mapping[str, float]) -> None:
        """A step was made with a batch; `loss` and `looked`, of held-out clips, are the last ones that are known."""
        self._step += 1
        self._loss, self._looked = loss, looked
        if self._step == self._first + 1:
            self._counted_from = time.monotonic()
        else:
            clips, samples = batch.audio.shape
            self._clips += clips
            self._hours += clips * samples / SAMPLE_RATE / 3600
            self._products += self._objective.products(batch)
        if _is_told():
            self.tick()

    def line(self, seconds: float) -> str:
        """What is told."""
        done = f"train: step {self._step} of {self._options.steps}"
        steps = self._step - self._first - 1
        if steps < 1:
            return f"{done}, loss and speed not yet known"
        counted = max(time.monotonic() - self._counted_from, 1e-9)
        left = clock((self._options.steps - self._step) * counted / steps)
        clips, hours = (self._processes * each / counted for each in (self._clips, self._hours))
        share = f", {self._products / counted / self._rate:.0%} of the matrix rate" if self._rate else ""
        return (
            f"{done}, loss {'not yet known' if math.isnan(self._loss) else f'{self._loss:.4g}'}{self._held_out()}, "
            f"{clips:.1f} clips/s, {hours:.3g} hours of audio/s{share}, time left {left}"
        )

    def _held_out(self) -> str:
        """What is known of held-out clips."""
        told = {"held_out_loss": "held out", "patch_mean_loss": "each patch's mean", "recall_at_1": "R@1"}
        known = [f"{told[name]} {value:.4g}" for name, value in self._looked.items()]
        return f" ({', '.join(known)})" if known else ""

    def __exit__(self, *error: object) -> None:
        if _is_told():
            super().__exit__(*error)


def measure_matrix_rate(precision: str) -> float:
    """Additions and multiplications a second of products of large matrices on one device, in operations."""
    rows = _CPU_SIDE if jax.local_devices()[0].platform == "cpu" else _SIDE
    side = jnp.ones((rows, rows), jnp.dtype(precision))

    @jax.jit
    def product(x: jax.Array) -> jax.Array:
        with jax.default_matmul_precision(PRODUCTS[precision]):
            return x @ side

    product(side).block_until_ready()
    start = time.monotonic()
    result = side
    for _ in range(_REPEATS):
        result = product(result)
    result.block_until_ready()
    return _REPEATS * 2 * rows**3 / (time.monotonic() - start)


def _is_told() -> bool:
    return jax.process_index() == 0
