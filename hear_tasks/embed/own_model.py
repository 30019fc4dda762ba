"""Our own models, as `embed` uses models: in windows, on all devices."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.engine.batches import Batch, even_batches
from hear_cacophony.engine.embedding import Embedder
from hear_cacophony.engine.options import Options
from hear_cacophony.engine.windows import Window
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE, STEP_LENGTH
from hear_tasks.embed.event_results import PlannedEventResults
from hear_tasks.embed.model import ClipEmbedder, Model, Plan
from hear_tasks.embed.results import Results, SceneResults
from hear_tasks.registry import TASKS, EmbeddingType
from hear_tasks.task_folder import UNTRAINED

_PUBLISHED_SECONDS = {task.directory: task.published_seconds for task in TASKS}


class OwnModel(Model):
    """An encoder, or the log-mel baseline."""

    def __init__(self, model: Embedder) -> None:
        self._model = model
        self.sample_rate = model.sample_rate
        self.scene_embedding_size = model.scene_embedding_size
        self.timestamp_embedding_size = model.timestamp_embedding_size
        weights = UNTRAINED if model.untrained else model.source
        self.identity = {"weights": weights, "md5": model.md5, "source": model.source}

    def embedder(self, task: str, kind: EmbeddingType) -> OwnEmbedder:
        """See `Model`; the published protocol pads to a length of each task."""
        options, seconds = self._model.options, _PUBLISHED_SECONDS.get(task)
        if options.protocol != "published" or options.max_seconds is not None or seconds is None:
            return OwnEmbedder(self._model, kind)
        padding = Options(protocol="published", max_seconds=seconds, precision=options.precision)
        return OwnEmbedder(self._model.with_options(padding), kind)

    def embed_scenes(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        return self._model.embed_scenes(clips)


class OwnEmbedder(ClipEmbedder):
    """One of the two embedders of a model of ours."""

    unit = "patches"
    thrift = " Shorter windows need less: --window"

    def __init__(self, model: Embedder, kind: EmbeddingType) -> None:
        self._model, self._kind = model, kind
        self._embedder = model.scene_embedder if kind == EmbeddingType.SCENE else model.timestamp_embedder
        self.size, self.tokens_per_step = self._embedder.size, self._embedder.tokens_per_step
        self.devices = [model.devices.kind] * len(model.devices)
        self.tokens_per_batch = model.devices.tokens_per_batch

    @property
    def peak_gibibytes(self) -> float | None:
        return self._model.devices.peak_gibibytes

    def windows(self, clip: int, num_samples: int) -> list[Window]:
        self._model.check_length(num_samples)
        return self._embedder.windows(clip, num_samples)

    def num_samples(self, steps: int) -> int:
        return self._embedder.num_samples(steps)

    def tokens(self, seconds: float) -> int:
        return max(1, round(seconds * SAMPLE_RATE / STEP_LENGTH) * self.tokens_per_step)

    def batches(self, window_steps: Sequence[int], tokens_per_batch: int) -> list[Batch]:
        return list(even_batches(window_steps, self.tokens_per_step, tokens_per_batch, len(self.devices)))

    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> Any:
        return self._embedder.run(audio, windows)

    def results(self, plan: Plan, place: pathlib.Path) -> Results:
        if self._kind == EmbeddingType.SCENE:
            return SceneResults(plan, place, self._model.merge_windows)
        return PlannedEventResults(plan, place, self._model)
