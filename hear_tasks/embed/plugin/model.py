"""A loaded HEAR plugin, as `embed` uses models: whole clips, in batches of exactly equal lengths."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hear_cacophony.engine.batches import Batch
from hear_cacophony.engine.windows import Window, WindowSpan
from hear_tasks.embed.clips import FailedClipsError
from hear_tasks.embed.plugin.call import SCENE, TIMESTAMPS, Plugin, PluginApiError, PluginError, PluginMemoryError
from hear_tasks.embed.plugin.checks import check_scenes, check_timestamps
from hear_tasks.embed.plugin.process import PluginProcess

BATCH_SAMPLES = 1_344_000
"""Samples in a batch unless told otherwise: 84 s at 16 kHz, as many as heareval takes at any rate."""

_FULL_SCALE = 1 << 15


class _Caller(Protocol):
    """A plugin in this process, or in one of its own."""

    facts: dict[str, Any]

    def call(self, kind: str, audio: np.ndarray) -> list[np.ndarray]: ...


@dataclasses.dataclass(frozen=True)
class PluginDevice:
    """Where a plugin computes; it chooses by itself.

    Attributes:
        kind: "cpu", or the name of its GPU.
        tokens_per_batch: samples in a batch.
    """

    kind: str
    tokens_per_batch: int = BATCH_SAMPLES
    peak_gibibytes: float | None = None

    @property
    def platform(self) -> str:
        """ "cpu" or "gpu"."""
        return "cpu" if self.kind == "cpu" else "gpu"

    def __len__(self) -> int:
        return 1


class PluginModel:
    """A loaded plugin.

    Attributes:
        name: its module.
        source: name of its file of weights; "none" without one.
        md5: MD5 of that file, or of all files in that folder; "" without one.
        version: of its distribution, "" where that is not known.
        sample_rate: samples per second of the audio that it takes.
        scene_embedding_size, timestamp_embedding_size: values in an embedding.
        devices: what it computes on.
        scene_embedder, timestamp_embedder: its two functions.
    """

    untrained = False

    def __init__(
        self,
        name: str,
        path: str,
        options: Mapping[str, Any],
        python: str | None = None,
        tell: Callable[[str], None] = lambda message: print(f"embed: {message}", file=sys.stderr, flush=True),
    ) -> None:
        """Load a plugin.

        Args:
            name: its module.
            path: for its `load_model`; "" for none.
            options: keyword arguments for its `load_model`.
            python: interpreter of another environment to load it in; this one unless given.
            tell: takes remarks.

        Raises:
            PluginError: it cannot be loaded, or lacks something of the HEAR API; the message says what.
        """
        self.name = name
        self.source = pathlib.Path(path).name if path else "none"
        self.md5 = _digest(pathlib.Path(path)) if path else ""
        self._plugin: _Caller = (
            PluginProcess(python, name, path, options) if python else Plugin(name, path, dict(options))
        )
        facts = self._plugin.facts
        self.sample_rate: int = facts["sample_rate"]
        self.scene_embedding_size: int = facts["scene_embedding_size"]
        self.timestamp_embedding_size: int = facts["timestamp_embedding_size"]
        self.version: str = facts["version"]
        self.devices = PluginDevice(facts["device"])
        self.scene_embedder = PluginEmbedder(self, SCENE, self.scene_embedding_size, tell)
        self.timestamp_embedder = PluginEmbedder(self, TIMESTAMPS, self.timestamp_embedding_size, tell)

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

    def check_length(self, num_samples: int) -> None:
        """Any length will do: what a plugin cannot embed, it has to say by itself."""

    def merge_windows(self, windows: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """The scene embeddings of clips: each is one window."""
        return windows


class PluginEmbedder:
    """One of a plugin's two functions, for batches of a task.

    Attributes:
        size: values in an embedding.
        tokens_per_step: 1; a window's steps are its samples here.
    """

    tokens_per_step = 1

    def __init__(self, model: PluginModel, kind: str, size: int, tell: Callable[[str], None]) -> None:
        self.size = size
        self._model, self._kind, self._tell = model, kind, tell
        self._alone = False

    def windows(self, clip: int, num_samples: int) -> list[Window]:
        """The only window of a clip, which is the whole of it."""
        return [Window(clip, WindowSpan(0, num_samples, 0, num_samples), 0, num_samples)]

    def num_samples(self, steps: int) -> int:
        """Samples in a window of so many steps."""
        return steps

    def batches(self, window_samples: Sequence[int], samples_per_batch: int) -> Iterator[Batch]:
        """All clips in batches of equal lengths, longest first, nothing padded."""
        by_length: dict[int, list[int]] = collections.defaultdict(list)
        for index, samples in enumerate(window_samples):
            by_length[samples].append(index)
        for samples, members in sorted(by_length.items(), reverse=True):
            full = max(1, samples_per_batch // samples)
            for first in range(0, len(members), full):
                chunk = tuple(members[first : first + full])
                yield Batch(chunk, len(chunk), samples)

    def run(self, audio: np.ndarray, members: Sequence[Window]) -> np.ndarray:
        """The results of a batch: scene embeddings, or an array of objects, each embeddings and timestamps of a clip.

        Args:
            audio: float32, or 16-bit integers as they lie in the files, shape (clips, samples).
            members: the clips.

        Raises:
            PluginMemoryError: there is not enough memory for so many clips.
            FailedClipsError: the plugin fails for some of them, or for all.
        """
        clips = audio.astype(np.float32) / _FULL_SCALE if audio.dtype == np.int16 else audio
        try:
            if self._alone or len(clips) == 1:
                return self._one_by_one(clips, members)
            return self._packed(self._model.call(self._kind, clips))
        except PluginMemoryError:
            raise
        except PluginApiError as error:
            told = f"{self._model.name}: {error}"
            raise FailedClipsError({member.clip: told for member in members}, every=True) from error
        except PluginError as error:
            results = self._one_by_one(clips, members)
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
            raise FailedClipsError(failed, every=len(failed) == len(clips) > 1)
        return self._packed(results)

    def _packed(self, results: list[Any]) -> np.ndarray:
        if self._kind == SCENE:
            return np.asarray(results)
        packed = np.empty(len(results), object)
        for i, result in enumerate(results):
            packed[i] = result
        return packed


def check_plugin(model: PluginModel, seconds: float = 1.0) -> list[str]:
    """What is wrong with the embeddings that a plugin gives for two clips of noise; [] if nothing is.

    Args:
        model: the plugin.
        seconds: length of the clips.
    """
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, round(seconds * model.sample_rate))).astype(np.float32)
    problems = []
    for kind in (SCENE, TIMESTAMPS):
        try:
            model.call(kind, audio)
        except PluginError as error:
            problems.append(str(error))
    return problems


def _digest(path: pathlib.Path) -> str:
    """MD5 of a file, or of the names and digests of all files in a folder; "" for what is neither, such as a URL."""
    if path.is_file():
        with path.open("rb") as content:
            return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if not path.is_dir():
        return ""
    total = hashlib.md5(usedforsecurity=False)
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        total.update(f"{file.relative_to(path)}\0{_digest(file)}\n".encode())
    return total.hexdigest()
