"""From clips to embeddings: the core that every interface of the package goes through."""

from __future__ import annotations

import abc
import collections
import copy
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hear_cacophony.checkpoint.checkpoint import Checkpoint
from hear_cacophony.checkpoint.load import load_checkpoint
from hear_cacophony.checkpoint.parameters import to_variables
from hear_cacophony.engine import compilation_cache, timestamps
from hear_cacophony.engine.batches import Batch, CompiledSizes
from hear_cacophony.engine.devices import Devices, as_devices
from hear_cacophony.engine.options import Options, parse_options
from hear_cacophony.engine.window_embedders import SceneEmbedder, TimestampEmbedder, WindowEmbedder, padded_steps
from hear_cacophony.engine.windows import Window, cut_audio
from hear_cacophony.frontend.audio_checks import is_loud, warn_loud
from hear_cacophony.frontend.clips import as_clips
from hear_cacophony.frontend.spectrogram import PATCHES_PER_STEP, SAMPLE_RATE
from hear_cacophony.model.stages import Stage

Clips = Sequence[Any] | np.ndarray | str | os.PathLike[str]
"""Arrays or paths: see `Embedder.embed_scenes`."""


@dataclasses.dataclass(frozen=True)
class TimestampEmbeddings:
    """Timestamp embeddings of one clip.

    Attributes:
        embeddings: shape (timestamps, timestamp_embedding_size), float32.
        timestamps: milliseconds from the start of the clip, shape (timestamps,), float64.
    """

    embeddings: np.ndarray
    timestamps: np.ndarray


class Embedder(abc.ABC):
    """Anything that embeds clips: options, devices, and one compiled embedder for each kind of embedding.

    Takes 16 kHz mono clips, gives NumPy arrays, and imports neither TensorFlow nor torch.

    Attributes:
        options: protocol, hop, windows and precision.
        devices: what it runs on.
        scene_embedder: embeds windows whole.
        timestamp_embedder: embeds windows time by time.
        source: name of the file that the weights are from, or of the untrained ones; "none" without weights.
        md5: MD5 of the file that the weights were published in; "" where there is none.
        untrained: True where the weights are random.
    """

    sample_rate = SAMPLE_RATE
    source = "none"
    md5 = ""
    untrained = False
    scene_embedder: WindowEmbedder
    timestamp_embedder: WindowEmbedder

    def __init__(self, options: Options, devices: Devices) -> None:
        self.options = options
        self.devices = devices
        self._sizes: dict[str, CompiledSizes] = collections.defaultdict(CompiledSizes)
        self._loudness_warned = False

    @property
    def scene_embedding_size(self) -> int:
        """Values in a scene embedding."""
        return self.scene_embedder.size

    @property
    def timestamp_embedding_size(self) -> int:
        """Values in a timestamp embedding."""
        return self.timestamp_embedder.size

    @abc.abstractmethod
    def with_options(self, options: Options) -> Embedder:
        """The same with other options; nothing is loaded or copied."""

    @abc.abstractmethod
    def merge_windows(self, windows: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """The scene embeddings of clips from those of their windows.

        Args:
            windows: results of the scene embedder, shape (windows, size), clip by clip.
            weights: frames that count in each window, shape (windows,).
            starts: index of each clip's first window, shape (clips,).

        Returns:
            Shape (clips, size), float32.
        """

    def timestamps(self, num_samples: int) -> np.ndarray:
        """Timestamps of a clip of `num_samples`, in milliseconds, float64; runs no encoder."""
        if self.options.protocol == "hear":
            return timestamps.centre_timestamps(num_samples, self.options.hop_ms)
        seconds = self.options.max_seconds or num_samples / SAMPLE_RATE
        return timestamps.published_timestamps(seconds, padded_steps(num_samples, self.options.max_seconds))

    def check_length(self, num_samples: int) -> None:
        """Raise ValueError if clips of `num_samples` cannot be embedded.

        That is for being longer than `max_seconds`, or too long for the memory that there is: the
        published protocol takes clips whole.
        """
        if self.options.protocol != "published":
            return
        given, seconds = num_samples / SAMPLE_RATE, self.options.max_seconds
        if seconds is not None and num_samples > round(seconds * SAMPLE_RATE):
            raise ValueError(
                f"{given:g} s, more than max_seconds={seconds:g}; give the length of the longest clip, "
                "or use protocol='hear', which needs none"
            )
        needed = self.devices.bytes_of(padded_steps(num_samples, seconds) * PATCHES_PER_STEP)
        if needed > self.devices.memory:
            raise ValueError(
                f"{given:g} s, for which protocol='published' needs about {needed / 1e9:.1f} GB, as it takes clips "
                f"whole; there are {self.devices.memory / 1e9:.1f} GB. protocol='hear' cuts long clips into windows"
            )

    def embed_scenes(self, clips: Clips, sample_rate: float = SAMPLE_RATE) -> np.ndarray:
        """One embedding for each clip.

        Args:
            clips: mono clips with samples in [-1, 1]: a sequence of float arrays of shape (samples,),
                of any lengths, or one array of shape (clips, samples). Or audio files, as
                `hear_cacophony.read_audio` reads them: a path, or a sequence of paths.
            sample_rate: samples per second of the arrays, which are resampled to 16 kHz; files tell
                their own.

        Returns:
            Shape (clips, scene_embedding_size), float32. The mean of the patches in stage 1,
            attention pooling of unit norm in stage 2.

        Raises:
            ValueError: no clip or sample, NaN or infinite samples, a clip longer than
                `max_seconds`, or too long for the memory under the published protocol; a file that
                is damaged, cut short, or no audio.
            FileNotFoundError: no such file.
            TypeError: samples are not floats, or `clips` is nothing of the above.
        """
        checked = self.check_clips(clips, sample_rate)
        by_clip = [self.scene_embedder.windows(i, len(clip)) for i, clip in enumerate(checked)]
        windows = list(itertools.chain.from_iterable(by_clip))
        results = np.empty((len(windows), self.scene_embedding_size), np.float32)
        for batch, embedded in self.run_windows(self.scene_embedder, "scene", checked, windows):
            results[list(batch.windows)] = embedded
        starts = np.cumsum([0, *map(len, by_clip[:-1])])
        return self.merge_windows(results, np.array([window.weight for window in windows]), starts)

    def embed_timestamps(self, clips: Clips, sample_rate: float = SAMPLE_RATE) -> list[TimestampEmbeddings]:
        """Embeddings along each clip.

        Args and errors as in `embed_scenes`.

        Returns:
            For each clip its embeddings (each the mean of the 8 frequency patches around
            its timestamp) and their timestamps.
        """
        checked = self.check_clips(clips, sample_rate)
        windows = [window for i, clip in enumerate(checked) for window in self.timestamp_embedder.windows(i, len(clip))]
        results = [self._empty_timestamps(len(clip)) for clip in checked]
        for batch, embedded in self.run_windows(self.timestamp_embedder, "timestamp", checked, windows):
            for i, embeddings in zip(batch.windows, embedded, strict=True):
                target = results[windows[i].clip].embeddings
                kept, first = self.kept_times(windows[i], len(target))
                target[first : first + kept.stop - kept.start] = embeddings[kept]
        return results

    def kept_times(self, window: Window, times: int) -> tuple[slice, int]:
        """Which results of the timestamp embedder for a window count, and the index of the first of them in its clip.

        Args:
            window: a window of the timestamp embedder.
            times: timestamps of its clip.
        """
        per_step = len(timestamps.shifts(self.options.hop_ms))
        start = window.span.keep_start * per_step
        stop = max(start, min(window.span.keep_stop * per_step, times))
        offset = window.span.start * per_step
        return slice(start - offset, stop - offset), start

    def run_windows(
        self, embedder: WindowEmbedder, kind: str, clips: list[np.ndarray], windows: list[Window]
    ) -> Iterator[tuple[Batch, np.ndarray]]:
        """Each batch with the results of its windows; batches of one `kind` share their compiled sizes."""
        sizes = self._sizes[kind]
        steps = [window.steps for window in windows]
        for batch in sizes.batches(steps, embedder.tokens_per_step, self.devices.tokens_per_batch, len(self.devices)):
            members = [windows[i] for i in batch.windows]
            audio = cut_audio(clips, members, batch.size, embedder.num_samples(batch.steps))
            yield batch, np.asarray(embedder.run(audio, members))[: len(members)]

    def check_clips(self, clips: Clips, sample_rate: float = SAMPLE_RATE) -> list[np.ndarray]:
        """Clips as 16 kHz float32 arrays; arguments and errors as in `embed_scenes`."""
        checked = as_clips(clips, sample_rate)
        if not self._loudness_warned and is_loud(checked):
            self._loudness_warned = True
            warn_loud(checked)
        for i, clip in enumerate(checked):
            try:
                self.check_length(len(clip))
            except ValueError as error:
                raise ValueError(f"clip {i} has {error}") from None
        return checked

    def _empty_timestamps(self, num_samples: int) -> TimestampEmbeddings:
        times = self.timestamps(num_samples)
        return TimestampEmbeddings(np.empty((len(times), self.timestamp_embedding_size), np.float32), times)


class EmbeddingModel(Embedder):
    """An encoder with its weights, its options and its compiled functions.

    Attributes:
        stage: which of the two encoders this is.
        config: sizes of the encoder.
        release: the published file that this is, or None.
        variables: the weights on the devices, as `to_variables` arranges them.
    """

    def __init__(self, checkpoint: Checkpoint, options: Options, devices: Devices | None = None) -> None:
        super().__init__(options, devices or Devices())
        self.stage = checkpoint.stage
        self.config = checkpoint.config
        self.source = checkpoint.source
        self.md5 = checkpoint.md5
        self.release = checkpoint.release
        self.untrained = checkpoint.untrained
        variables = to_variables(checkpoint.stage, checkpoint.config, checkpoint.parameters)
        self.variables = self.devices.replicate(variables)
        self._make_embedders()

    def with_options(self, options: Options) -> EmbeddingModel:
        """The same weights with other options; nothing is loaded or copied."""
        model = copy.copy(self)
        Embedder.__init__(model, options, self.devices)
        model._make_embedders()
        return model

    def _make_embedders(self) -> None:
        self.scene_embedder = SceneEmbedder(self.variables, self.stage, self.config, self.options, self.devices)
        self.timestamp_embedder = TimestampEmbedder(self.variables, self.config, self.options, self.devices)

    def merge_windows(self, windows: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """The mean over the windows, weighted by their frames; in stage 2 again of unit norm."""
        weights = weights[:, None].astype(np.float64)
        means = np.add.reduceat(windows * weights, starts) / np.add.reduceat(weights, starts)
        if self.stage.pool_path is not None:
            means /= np.linalg.norm(means, axis=1, keepdims=True)
        return means.astype(np.float32)


def load_embedding_model(
    path: str | os.PathLike[str] = "",
    *,
    stage: Stage | None = None,
    devices: Devices | Sequence[int] | None = None,
    **options: Any,
) -> EmbeddingModel:
    """Load an encoder for use without TensorFlow.

    Args:
        path: a published checkpoint, a converted `.safetensors` file, "random" or
            "random-tiny" (untrained weights), or "" for the weights of this machine (see
            `hear_cacophony.checkpoint.find`).
        stage: the stage that the file has to hold; either unless given.
        devices: what to run on: indices of local devices, such as [0]; all of them unless given.
        options: `protocol`, `timestamp_hop_ms`, `max_seconds`, `window_seconds`, `precision`: see
            `hear_cacophony.engine.options`.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is not a checkpoint of this stage.
        TypeError, ValueError: an unknown option, an impossible value, or no such device.
    """
    parsed = parse_options(options)
    chosen = as_devices(devices)
    compilation_cache.enable()
    return EmbeddingModel(load_checkpoint(path, stage), parsed, chosen)
