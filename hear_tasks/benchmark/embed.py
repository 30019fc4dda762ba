"""`embed` from files to files, beside the encoder alone and beside heareval's own runner."""

from __future__ import annotations

import collections
import contextlib
import io
import itertools
import json
import math
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_cacophony.engine.batches import even_batches
from hear_cacophony.engine.devices import TOKENS_PER_CPU_BATCH
from hear_cacophony.engine.embedding import EmbeddingModel
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_tasks.benchmark.config import Config, tell
from hear_tasks.benchmark.encoder import FullBatch, batch_flops
from hear_tasks.benchmark.synthetic import make_task, mixed_lengths
from hear_tasks.benchmark.timing import count_compilations, interleave, seconds_of

if TYPE_CHECKING:
    from hear_tasks.embed import Plan

LONGEST_TASK_SECONDS = 4 * 3600
"""Audio in a synthetic task at most, 460 MB, unless it takes more for a few batches."""

PLANNED_CLIPS = 2_000
"""Clips whose batches are planned, without being computed, to count shapes and padding."""

_HEAREVAL_BATCH_SECONDS = 84
"""heareval's batch: 0.7 times 120 s of audio."""


class HearevalRunner:
    """heareval's own embedding runner, around a model that is loaded."""

    def __init__(self) -> None:
        """Find heareval.

        Raises:
            RuntimeError, ModuleNotFoundError: it or what it needs is not there.
        """
        from hear_tasks.heareval import check_versions, hide_gpus_from_torch

        check_versions()
        with _silence():
            hide_gpus_from_torch()
            from heareval.embeddings import task_embeddings

        self._heareval = task_embeddings

    def embed(self, model: EmbeddingModel, task: pathlib.Path, target: pathlib.Path) -> None:
        """Embed a task into `target`."""
        from hear_cacophony import audiomae, cacophony
        from hear_cacophony.hear.api import make_hear_model

        # Its own __init__ would load the model anew.
        embedding = self._heareval.Embedding.__new__(self._heareval.Embedding)
        embedding.module = audiomae if model.stage.module == audiomae.__name__ else cacophony
        embedding.model = make_hear_model(model)
        embedding.type = self._heareval.TENSORFLOW
        with _silence():
            self._heareval.task_embeddings(embedding, task, target)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def find_heareval() -> tuple[HearevalRunner | None, str]:
    """heareval's runner, or why it cannot run."""
    try:
        return HearevalRunner(), ""
    except (ImportError, RuntimeError) as error:
        return None, str(error)


class TaskRuns:
    """The ways to embed one task.

    Attributes:
        model: what embeds it.
        encoder_flops: operations of the encoder for it, padding included.
        clips: in the task.
        seconds: of audio in them.
    """

    def __init__(self, model: EmbeddingModel, task: pathlib.Path, folder: pathlib.Path) -> None:
        from hear_tasks.embed import OwnModel, make_plan, read_task

        self.model, self._task, self._folder = model, task, folder
        found = read_task(task, SAMPLE_RATE)
        self._plan: Plan = make_plan(OwnModel(model).embedder(found.name, found.embedding_type), found)
        self._batches = self._plan.batches(model.devices.tokens_per_batch)
        self._audio = [self._plan.read(batch) for batch in self._batches]
        self._numbers = itertools.count()
        self.encoder_flops = sum(batch_flops(model, batch) for batch in self._batches)
        self.clips = len(self._plan.task.clips)
        self.seconds = self._plan.task.samples / SAMPLE_RATE

    def encoder(self) -> None:
        """The compiled functions on the same batches, whose audio is in memory; as many under way as `embed` has."""
        from hear_tasks.embed import IN_WORK

        under_way: collections.deque = collections.deque()
        for batch, audio in zip(self._batches, self._audio, strict=True):
            under_way.append(self._plan.embedder.run(audio, self._plan.members(batch)))
            if len(under_way) >= IN_WORK:
                np.asarray(under_way.popleft())
        while under_way:
            np.asarray(under_way.popleft())

    def embed(self) -> pathlib.Path:
        """`hear-cacophony embed`, into a new folder; the folder of the task's embeddings."""
        from hear_tasks.embed import HearModule, OwnModel, embed_tasks

        folder = self._new_folder()
        module = HearModule(self.model.stage.module, OwnModel(self.model), {})
        with contextlib.redirect_stderr(io.StringIO()):
            failed = embed_tasks(module, [self._task], folder, tell=lambda _: None)
        if failed:
            raise RuntimeError("; ".join(failed.values()))
        return folder / module.folder_name / self._task.name

    def heareval(self, runner: HearevalRunner) -> Callable[[], None]:
        """What has heareval's runner embed the task into a new folder."""
        return lambda: runner.embed(self.model, self._task, self._new_folder() / self._task.name)

    def _new_folder(self) -> pathlib.Path:
        return self._folder / f"run{next(self._numbers)}"


def measure_embed(config: Config) -> dict[str, Any]:
    """Each length with the model itself, and 1 s clips with the tiny one."""
    runner, why = find_heareval()
    lengths = {}
    for seconds in config.scale.task_lengths:
        clips = _clips_for(config, seconds)
        tell(f"embed, {clips} clips of {seconds} s")
        lengths[str(seconds)] = _measure_task(config, config.model, seconds, clips, runner)
    tell(f"embed, tiny model, {config.scale.tiny_clips} clips of 1 s")
    tiny = _measure_task(config, config.tiny_model, 1, config.scale.tiny_clips, runner)
    return {"heareval": why or "measured", "lengths": lengths, "tiny_model": tiny}


def _clips_for(config: Config, seconds: int) -> int:
    """Clips that keep the encoder busy for a while, in whole batches of heareval's."""
    batch = FullBatch(config.model, seconds)
    batch.embed()
    audio_seconds = config.scale.task_seconds * batch.seconds / seconds_of(batch.embed)
    wanted = max(
        min(audio_seconds, LONGEST_TASK_SECONDS) / seconds, config.scale.task_batches * len(batch.batch.windows)
    )
    at_once = _heareval_batch(seconds)
    return at_once * math.ceil(wanted / at_once)


def _heareval_batch(seconds: int) -> int:
    return max(1, _HEAREVAL_BATCH_SECONDS // seconds)


def _measure_task(
    config: Config, model: EmbeddingModel, seconds: int, clips: int, runner: HearevalRunner | None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=config.folder) as name:
        folder = pathlib.Path(name)
        task = make_task(folder / "tasks", "noise", [seconds * SAMPLE_RATE] * clips, seconds)
        return _measure_runs(TaskRuns(model, task, folder), config.scale.task_rounds, seconds, runner)


def _measure_runs(runs: TaskRuns, rounds: int, seconds: int, runner: HearevalRunner | None) -> dict[str, Any]:
    """The ways to embed a task of clips of `seconds`, in turn, once all is compiled."""
    runs.encoder()
    actions: dict[str, Callable[[], Any]] = {"encoder": runs.encoder, "embed": runs.embed}
    if runner is not None:
        runs.model.embed_scenes(np.zeros((_heareval_batch(seconds), seconds * SAMPLE_RATE), np.float32))
        actions["heareval"] = runs.heareval(runner)
    with count_compilations() as compilations:
        times = interleave(actions, rounds)
    result = {
        "clips": runs.clips,
        "audio_seconds": runs.seconds,
        "encoder_alone_seconds": times["encoder"],
        "embed_seconds": times["embed"],
        "fraction_of_encoder_alone": times["encoder"] / times["embed"],
        "audio_seconds_per_second": runs.seconds / times["embed"],
        "encoder_alone_gflops": runs.encoder_flops / times["encoder"] / 1e9,
        "compilations_after_warm_up": compilations.count,
    }
    if runner is not None:
        result["heareval_seconds"] = times["heareval"]
        result["speed_beside_heareval"] = times["heareval"] / times["embed"]
    return result


def describe_embed(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    named = {f"{seconds} s clips": each for seconds, each in result["lengths"].items()}
    lines = []
    for name, each in {**named, "tiny model, 1 s clips": result["tiny_model"]}.items():
        lines += [
            (
                name,
                f"{each['clips']:,} clips: {each['embed_seconds']:.2f} s, encoder alone "
                f"{each['encoder_alone_seconds']:.2f} s: {each['fraction_of_encoder_alone']:.1%}",
            ),
            ("", f"{each['audio_seconds_per_second']:,.1f} s of audio a second"),
            ("", _beside_heareval(each, result["heareval"])),
        ]
    return lines


def _beside_heareval(each: dict[str, Any], why: str) -> str:
    if "heareval_seconds" not in each:
        return f"heareval's own runner: not measured: {why}"
    times = each["speed_beside_heareval"]
    return f"heareval's own runner {each['heareval_seconds']:.2f} s: embed is {times:.2f} times as fast"


def measure_compilations(config: Config) -> dict[str, Any]:
    """Shapes for clips of many lengths: planned for many, and compiled in truth for some with the tiny model."""
    result = {"planned": _plan(config)}
    scale = config.scale
    tell(f"compilations, tiny model, {scale.mixed_clips} clips of 0.3 to {scale.mixed_seconds:g} s")
    folder = config.folder / "mixed"
    samples = mixed_lengths(scale.mixed_clips, scale.mixed_seconds)
    runs = TaskRuns(config.tiny_model, make_task(folder / "tasks", "mixed", samples, None), folder)
    with count_compilations() as compilations:
        seconds = seconds_of(lambda: result.update(profile=_profile(runs.embed())))
    profile = result.pop("profile")
    return {
        **result,
        "embedded": {
            "clips": scale.mixed_clips,
            "longest_seconds": scale.mixed_seconds,
            "shapes": profile["batch_shapes"],
            "compilations": compilations.count,
            "seconds_with_compilation": seconds,
        },
    }


def _profile(folder: pathlib.Path) -> dict[str, Any]:
    return json.loads((folder / "profile.embeddings.json").read_text())


def _plan(config: Config) -> dict[str, Any]:
    embedder = config.tiny_model.scene_embedder
    samples = mixed_lengths(PLANNED_CLIPS, 30.0)
    steps = [window.steps for i, count in enumerate(samples) for window in embedder.windows(i, count)]
    batches = list(even_batches(steps, embedder.tokens_per_step, TOKENS_PER_CPU_BATCH))
    computed = sum(batch.size * batch.steps for batch in batches)
    return {
        "clips": PLANNED_CLIPS,
        "shapes": len({(batch.size, batch.steps) for batch in batches}),
        "padding_fraction_of_patches": 1 - sum(steps) / computed,
    }


def describe_compilations(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    planned, embedded = result["planned"], result["embedded"]
    return [
        (
            f"{planned['clips']:,} clips, 0.3 to 30 s",
            f"{planned['shapes']} shapes, {planned['padding_fraction_of_patches']:.1%} of the patches are padding",
        ),
        (
            f"{embedded['clips']} clips to {embedded['longest_seconds']:g} s, embedded",
            f"{embedded['shapes']} shapes, {embedded['compilations']} functions compiled, "
            f"{embedded['seconds_with_compilation']:.1f} s in all (tiny model)",
        ),
    ]
