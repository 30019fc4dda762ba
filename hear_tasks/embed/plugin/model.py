"""A loaded HEAR plugin, as `embed` uses models; what it gives is checked against what the HEAR API asks for."""

from __future__ import annotations

import collections
import hashlib
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.engine.batches import Batch
from hear_cacophony.engine.windows import Window, WindowSpan
from hear_tasks.embed.event_results import GrowingEventResults
from hear_tasks.embed.model import ClipEmbedder, FailedClipsError, Model, Plan
from hear_tasks.embed.plugin.call import SCENE, TIMESTAMPS, Plugin, PluginApiError, PluginError, PluginMemoryError
from hear_tasks.embed.plugin.process import PluginProcess
from hear_tasks.embed.plugin.source import digest_code
from hear_tasks.embed.results import Results, SceneResults
from hear_tasks.registry import EmbeddingType

BATCH_SAMPLES = 1_344_000
"""Samples in a batch unless told otherwise: 84 s at 16 kHz, as many as heareval takes at any rate."""

_FULL_SCALE = 1 << 15
_PAST_THE_END_MS = 1.0
"""Rounding; hear-validator allows none, but refuses nothing that ends with its clip."""


class PluginModel(Model):
    """A loaded plugin.

    Attributes:
        name: its module.
        device: "cpu", or the name of the GPU that it has chosen.
    """

    def __init__(
        self,
        name: str,
        path: str,
        options: Mapping[str, Any],
        python: str | None = None,
        tell: Callable[[str], None] = lambda message: print(f"embed: {message}", file=sys.stderr, flush=True),
    ) -> None:
        """Load a plugin; see `hear_module.load_module`.

        Raises:
            PluginError: it cannot be loaded, or lacks something of the HEAR API; the message says what.
        """
        self.name = name
        source = pathlib.Path(path).name if path else "none"
        md5 = _digest(pathlib.Path(path)) if path else ""
        self._plugin = PluginProcess(python, name, path, options) if python else Plugin(name, path, dict(options))
        facts = self._plugin.facts
        self.sample_rate: int = facts["sample_rate"]
        self.scene_embedding_size: int = facts["scene_embedding_size"]
        self.timestamp_embedding_size: int = facts["timestamp_embedding_size"]
        self.device: str = facts["device"]
        known = {"weights": source, "md5": md5, "source": source, "version": facts["version"]}
        self.identity = {**known, "code_md5": digest_code(name, facts["file"])}
        self._tell = tell

    def embedder(self, task: str, kind: EmbeddingType) -> PluginEmbedder:
        return PluginEmbedder(self, kind, self._tell)

    def embed_scenes(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        embedder = self.embedder("", EmbeddingType.SCENE)
        rows = np.empty((len(clips), self.scene_embedding_size), np.float32)
        for batch in embedder.batches([len(clip) for clip in clips], BATCH_SAMPLES):
            members = [embedder.windows(i, batch.steps)[0] for i in batch.windows]
            try:
                rows[list(batch.windows)] = embedder.run(np.stack([clips[i] for i in batch.windows]), members)
            except FailedClipsError as error:
                raise ValueError(str(error)) from error
        return rows

    def call(self, kind: str, audio: np.ndarray) -> list[Any]:
        """What the plugin gives for clips of equal lengths, checked; one result for each.

        Raises:
            PluginMemoryError: there is not enough memory for so many.
            PluginError: the plugin failed, or breaks the HEAR API.
        """
        arrays = self._plugin.call(kind, audio)
        if kind == SCENE:
            return list(check_scenes(arrays, len(audio), self.scene_embedding_size))
        return check_timestamps(arrays, len(audio), self.timestamp_embedding_size, audio.shape[1] / self.sample_rate)

    def find_problems(self) -> list[str]:
        """What is wrong with what it gives for two clips of noise, of a second each; [] if nothing is."""
        audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, self.sample_rate)).astype(np.float32)
        problems = []
        for kind in (SCENE, TIMESTAMPS):
            try:
                self.call(kind, audio)
            except PluginError as error:
                problems.append(str(error))
        return problems


class PluginEmbedder(ClipEmbedder):
    """One of a plugin's two functions: whole clips, in batches of exactly equal lengths; a step is a sample."""

    unit = "samples"
    tokens_per_batch = BATCH_SAMPLES
    tokens_per_step = 1
    thrift = ""
    peak_gibibytes = None

    def __init__(self, model: PluginModel, kind: EmbeddingType, tell: Callable[[str], None]) -> None:
        scenes = kind == EmbeddingType.SCENE
        self.size = model.scene_embedding_size if scenes else model.timestamp_embedding_size
        self.devices = [model.device]
        self._model, self._kind, self._tell = model, SCENE if scenes else TIMESTAMPS, tell
        self._alone = False

    def windows(self, clip: int, num_samples: int) -> list[Window]:
        return [Window(clip, WindowSpan(0, num_samples, 0, num_samples), 0, num_samples)]

    def num_samples(self, steps: int) -> int:
        return steps

    def tokens(self, seconds: float) -> int:
        return max(1, round(seconds * self._model.sample_rate))

    def batches(self, window_steps: Sequence[int], tokens_per_batch: int) -> list[Batch]:
        """All clips in batches of equal lengths, longest first, nothing padded."""
        by_length: dict[int, list[int]] = collections.defaultdict(list)
        for index, samples in enumerate(window_steps):
            by_length[samples].append(index)
        found = []
        for samples, members in sorted(by_length.items(), reverse=True):
            full = max(1, tokens_per_batch // samples)
            chunks = [tuple(members[first : first + full]) for first in range(0, len(members), full)]
            found += [Batch(chunk, len(chunk), samples) for chunk in chunks]
        return found

    def results(self, plan: Plan, place: pathlib.Path) -> Results:
        if self._kind == SCENE:
            return SceneResults(plan, place, lambda windows, *_: windows)
        return GrowingEventResults(plan, place)

    def run(self, audio: np.ndarray, windows: Sequence[Window]) -> np.ndarray:
        """See `ClipEmbedder`; along clips an array of objects, each embeddings and timestamps of a clip."""
        clips = audio.astype(np.float32) / _FULL_SCALE if audio.dtype == np.int16 else audio
        try:
            if self._alone or len(clips) == 1:
                return self._one_by_one(clips, windows)
            return self._packed(self._model.call(self._kind, clips))
        except PluginMemoryError:
            raise
        except PluginApiError as error:
            told = f"{self._model.name}: {error}"
            raise FailedClipsError({window.clip: told for window in windows}, True, self._packed([])) from error
        except PluginError as error:
            results = self._one_by_one(clips, windows)
            self._alone = True
            together = f"{self._model.name} fails with {len(clips)} clips at once ({error})"
            self._tell(f"{together}, and not with one: going on one by one")
            return results

    def _one_by_one(self, clips: np.ndarray, members: Sequence[Window]) -> np.ndarray:
        """The results of clips by themselves, to see for which of them a plugin fails."""
        results: list[Any] = []
        failed: dict[int, str] = {}
        for clip, member in zip(clips, members, strict=True):
            try:
                results += self._model.call(self._kind, clip[None])
            except (PluginMemoryError, PluginApiError):
                raise
            except PluginError as error:
                failed[member.clip] = f"{self._model.name}: {error}"
        if failed:
            raise FailedClipsError(failed, len(failed) == len(clips) > 1, self._packed(results))
        return self._packed(results)

    def _packed(self, results: list[Any]) -> np.ndarray:
        if self._kind == SCENE:
            return np.asarray(results)
        packed = np.empty(len(results), object)
        for i, result in enumerate(results):
            packed[i] = result
        return packed


def _digest(path: pathlib.Path) -> str:
    """MD5 of a file, or of the names and digests of all files in a folder; "" for what is neither, such as a URL."""
    if path.is_file():
        with path.open("rb") as content:
            return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if not path.is_dir():
        return ""
    total = hashlib.md5(usedforsecurity=False)
    for file in sorted(each for each in path.rglob("*") if each.is_file() or _leads_elsewhere(each)):
        total.update(f"{file.relative_to(path)}\0{_digest(file)}\n".encode())
    return total.hexdigest()


def _leads_elsewhere(path: pathlib.Path) -> bool:
    """Whether this is a link to a folder, and not to one that it lies in."""
    return path.is_symlink() and path.is_dir() and not path.parent.resolve().is_relative_to(path.resolve())


def check_scenes(arrays: list[np.ndarray], clips: int, size: int) -> np.ndarray:
    """The scene embeddings of a batch, shape (clips, size), float32.

    Raises:
        PluginApiError: they are not what they have to be; the message says what was expected and what came.
        PluginError: embeddings are not finite, which depends on the clip.
    """
    (embeddings,) = arrays
    if embeddings.shape != (clips, size):
        raise PluginApiError(
            f"get_scene_embeddings: expected shape (n_sounds, scene_embedding_size) = ({clips}, {size}), got "
            f"{embeddings.shape}{_hint(embeddings, clips, size)}"
        )
    return _check_values("get_scene_embeddings", embeddings)


def check_timestamps(
    arrays: list[np.ndarray], clips: int, size: int, seconds: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each clip of a batch its embeddings, shape (timestamps, size), float32, and its timestamps in milliseconds.

    Raises:
        PluginApiError, PluginError: see `check_scenes`.
    """
    embeddings, times = arrays
    name = "get_timestamp_embeddings"
    if embeddings.ndim != 3 or embeddings.shape[0] != clips or embeddings.shape[2] != size:
        raise PluginApiError(
            f"{name}: expected embeddings of shape (n_sounds, n_timestamps, timestamp_embedding_size) = ({clips}, "
            f"n_timestamps, {size}), got {embeddings.shape}{_hint(embeddings, clips, size)}"
        )
    if times.shape != embeddings.shape[:2]:
        raise PluginApiError(
            f"{name}: expected timestamps of shape (n_sounds, n_timestamps) = {embeddings.shape[:2]}, a time for each "
            f"embedding, got {times.shape}"
        )
    if not times.size:
        raise PluginApiError(f"{name}: expected at least one timestamp for a clip of {seconds:g} s, got none")
    _check_times(name, times, seconds)
    return list(zip(_check_values(name, embeddings), times, strict=True))


def _hint(embeddings: np.ndarray, clips: int, size: int) -> str:
    if embeddings.shape[:1] != (clips,):
        return "; are results of several clips put together, or is the batch's axis lost?"
    if size in embeddings.shape[1:-1]:
        return "; are axes in another order?"
    return "; is the size that the model states that of another layer?"


def _check_values(name: str, embeddings: np.ndarray) -> np.ndarray:
    if embeddings.dtype != np.float32:
        hint = "; is it converted somewhere on its way?" if embeddings.dtype.kind == "f" else ""
        raise PluginApiError(f"{name}: expected float32 embeddings, got {embeddings.dtype}{hint}")
    if not np.isfinite(embeddings).all():
        raise PluginError(
            f"{name}: expected finite embeddings, got NaN or infinity; a logarithm of "
            "silence, or a division by a norm of zero?"
        )
    return embeddings


def _check_times(name: str, times: np.ndarray, seconds: float) -> None:
    length = 1000.0 * seconds
    if times.dtype.kind not in "fiu" or not np.isfinite(times).all():
        raise PluginApiError(f"{name}: expected timestamps as finite numbers, got {times.dtype}, or NaN or infinity")
    first, last = float(times.min()), float(times.max())
    if times.shape[1] > 2 and last <= 1.01 * seconds and length > 50:
        raise PluginApiError(
            f"{name}: expected timestamps in milliseconds, got {first:g} to {last:g} for a clip of {seconds:g} s; "
            "are they in seconds?"
        )
    if not (np.diff(times, axis=1) > 0).all():
        clip, time = np.argwhere(np.diff(times, axis=1) <= 0)[0]
        pair = times[clip, time : time + 2].tolist()
        raise PluginApiError(f"{name}: expected increasing timestamps, got {pair[0]:g} ms and then {pair[1]:g} ms")
    if first < 0:
        raise PluginApiError(f"{name}: expected timestamps from 0 ms on, got {first:g} ms; padding not taken off?")
    if last > length + _PAST_THE_END_MS:
        raise PluginApiError(
            f"{name}: expected timestamps inside the clip, of {length:g} ms, got {last:g} ms; of padding at its end, "
            "or of another sample rate?"
        )
