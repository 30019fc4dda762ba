"""Steps of training beside the device's matrix products, beside plain modules, and fed from shards; and packing."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from hear_cacophony.engine.devices import Devices
from hear_cacophony.frontend.spectrogram import PATCHES_PER_STEP, SAMPLE_RATE, STEP_LENGTH, WINDOW_OVERHANG
from hear_cacophony.model.stages import AUDIOMAE, STAGES
from hear_cacophony.training.batches import Batch, Batches
from hear_cacophony.training.initial import drawn_parameters
from hear_cacophony.training.objectives import make_objective
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.shards import Shards
from hear_cacophony.training.sizes import SIZES
from hear_cacophony.training.step import Mesh, first_state, make_step
from hear_tasks.benchmark.config import Config, tell
from hear_tasks.benchmark.encoder import Products, noise
from hear_tasks.benchmark.memory import peak_bytes, resident_bytes
from hear_tasks.benchmark.synthetic import write_noise
from hear_tasks.benchmark.timing import count_compilations, interleave

CAPTION_TOKENS = 16
STEPS_PER_TURN = 2
HELD_OUT = 0.1
"""Share of the sounds that is packed and not trained on."""

PACKED_SECONDS = 1
"""Of the sounds whose packing is measured."""

FED_BY = ("array_record", "grain")


def measure_training(config: Config) -> dict[str, Any]:
    """Steps of both stages, and packing; on "short", which is for accelerators, steps on a batch in memory alone."""
    if config.scale.name == "short":
        return {"stages": {stage.name: _measure_stage(config, stage.name) for stage in STAGES}}
    missing = [name for name in FED_BY if importlib.util.find_spec(name) is None]
    if missing:
        return {"skipped": f"no module named {', '.join(missing)}; install the extra `train`"}
    with tempfile.TemporaryDirectory(dir=config.folder) as name:
        folder = pathlib.Path(name)
        shards = _pack_noise(config, folder)
        stages = {stage.name: _measure_stage(config, stage.name, shards) for stage in STAGES}
        return {"stages": stages, "packing": _measure_packing(config, folder)}


def _pack_noise(config: Config, folder: pathlib.Path) -> Shards:
    from hear_cacophony.training.pack import pack
    from hear_cacophony.training.sources import find_sources

    count = round(2 * config.scale.train_clips / (1 - HELD_OUT))
    files = write_noise(folder / "sounds", [config.scale.train_seconds * SAMPLE_RATE] * count)
    table = folder / "captions.jsonl"
    table.write_text("".join(json.dumps({"file": str(file), "caption": "noise"}) + "\n" for file in files))
    pack(find_sources([table]), folder / "shards")
    return Shards(folder / "shards")


class Training:
    """The compiled step of a stage, and a batch of noise that lies in memory.

    Attributes:
        options: those of the run.
        batch: the one in memory.
        operations: of the matrix products of a step, forward and backward once each.
    """

    def __init__(self, config: Config, stage: str) -> None:
        scale = config.scale
        self.options = TrainOptions(
            stage, SIZES[scale.train_size], steps=1_000_000, batch=scale.train_clips, learning_rate=1e-4, warmup=100,
            seconds=scale.train_seconds, held_out=HELD_OUT, precision=config.precision,
        )  # fmt: skip
        self.batch = _noise_batch(self.options)
        self._mesh = Mesh()
        objective = make_objective(self.options, self._mesh.devices)
        self.operations = objective.products(self.batch)
        self._in_memory = self._mesh.split(self.batch)
        self._stopping = self._mesh.split(np.zeros(jax.local_device_count(), bool))
        parameters = drawn_parameters(self.options.of, self.options.sizes, 0)
        self._state = first_state(parameters, self.options, self._mesh)
        step: Any = make_step(objective, self.options, self._mesh)
        self._compiled = step.lower(self._state, self._in_memory, self._stopping).compile()

    def in_memory(self) -> None:
        """Steps on the same batch."""
        self._step([self._in_memory] * STEPS_PER_TURN)

    def feed(self, batches: Iterator[Batch]) -> None:
        """As many steps on the next batches of those that are read ahead."""
        self._step(self._mesh.split(next(batches)) for _ in range(STEPS_PER_TURN))

    def _step(self, batches: Iterable[Any]) -> None:
        for batch in batches:
            self._state, _ = self._compiled(self._state, batch, self._stopping)
        jax.block_until_ready(self._state)


def _noise_batch(options: TrainOptions) -> Batch:
    """A batch of the shapes that clips of the longest length have."""
    clips, steps, random = options.batch, options.longest_steps, np.random.default_rng(0)
    length = steps * STEP_LENGTH + WINDOW_OVERHANG
    audio = noise(clips * length).reshape(clips, length)
    order = random.permuted(np.tile(np.arange(steps * PATCHES_PER_STEP, dtype=np.int32), (clips, 1)), axis=1)
    if options.of is AUDIOMAE:
        kept = min(options.patches, round((1 - options.mask_ratio) * order.shape[1]))
        wanted = order[:, kept : kept + options.restore]
        return Batch(audio, *_places(order[:, :kept]), *_places(wanted))
    ids = random.integers(3, options.sizes.text.vocabulary_size, (clips, CAPTION_TOKENS)).astype(np.int32)
    return Batch(
        audio, *_places(order[:, : options.patches]), ids=ids, lengths=np.full(clips, CAPTION_TOKENS, np.int32)
    )


def _places(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.sort(drawn, axis=1), np.full(len(drawn), drawn.shape[1], np.int32)


class _Captions:
    """Stands for a tokenizer: any caption is as many tokens as those in memory have."""

    def encode(self, texts: list[str], most: int, **_: bool) -> list[list[int]]:
        return [list(range(CAPTION_TOKENS))] * len(texts)


class PlainTraining:
    """The same steps by plain modules."""

    def __init__(self, training: Training) -> None:
        from hear_tasks.benchmark import training_reference as plain

        options, self._batch = training.options, jax.tree.map(jax.numpy.asarray, training.batch)
        model, optimizer = plain.reference_model(options), plain.reference_optimizer(options)
        parameters = drawn_parameters(options.of, options.sizes, 0)
        variables = plain.reference_variables(model, training.batch, parameters)
        self._variables = jax.tree.map(jax.numpy.array, variables)
        self._state = optimizer.init(self._variables)
        self._key = jax.random.key(0)
        step = plain.reference_step(model, optimizer)
        self._compiled = step.lower(self._variables, self._state, self._batch, self._key).compile()

    def __call__(self) -> None:
        """Steps on the same batch."""
        for _ in range(STEPS_PER_TURN):
            self._variables, self._state, _ = self._compiled(self._variables, self._state, self._batch, self._key)
        jax.block_until_ready(self._variables)


def _measure_stage(config: Config, stage: str, shards: Shards | None = None) -> dict[str, Any]:
    """Steps on a batch in memory; where there are shards, also fed from them, and by plain modules."""
    size, clips = config.scale.train_size, config.scale.train_clips
    tell(f"training of {stage}, {size}, {clips} clips of {config.scale.train_seconds} s")
    training, devices = Training(config, stage), Devices()
    encoder = training.options.sizes.encoder
    products = Products(encoder, devices, config.precision, config.scale.product_seconds)
    actions: dict[str, Callable[[], Any]] = {"products": products, "in memory": training.in_memory}
    if shards is not None:
        batches = Batches(shards, training.options, _Captions())  # type: ignore[arg-type]
        actions["from shards"] = functools.partial(training.feed, batches.from_step(0))
        actions["read"] = functools.partial(batches.load, 1)
        actions["plain"] = PlainTraining(training)
    for action in actions.values():
        action()
    before = resident_bytes()
    with count_compilations() as compilations:
        times = interleave(actions, config.scale.train_rounds)
    step = times["in memory"] / STEPS_PER_TURN
    rate, matrix_rate = training.operations / step, products.flops / times["products"]
    result = {
        "size": size,
        "clips": clips,
        "clip_seconds": config.scale.train_seconds,
        "step_seconds": step,
        "clips_per_second": clips / step,
        "matrix_gflops": matrix_rate / 1e9,
        "step_gflops": rate / 1e9,
        "fraction_of_matrix_rate": rate / matrix_rate,
        "turns": config.scale.train_rounds,
        "bytes_gained": resident_bytes() - before,
        "peak_bytes": peak_bytes(devices),
        "compilations_after_warm_up": compilations.count,
    }
    if shards is not None:
        result["fraction_of_rate_in_memory"] = times["in memory"] / times["from shards"]
        result["batches_read_in_a_step"] = step / times["read"]
        result["speed_beside_plain_modules"] = times["plain"] / times["in memory"]
    return result


def _measure_packing(config: Config, folder: pathlib.Path) -> dict[str, Any]:
    """`hear-cacophony pack` of many short sounds, in a process of its own."""
    from hear_tasks.benchmark.predict import run_process

    count = config.scale.packed_clips
    tell(f"packing of {count:,} clips of {PACKED_SECONDS} s")
    write_noise(folder / "many", [PACKED_SECONDS * SAMPLE_RATE] * count)
    ran = run_process(["hear_cacophony", "pack", "many", "--out", "packed"], 1, folder)
    clips = len(Shards(folder / "packed").clips)
    return {"clips": clips, "clip_seconds": PACKED_SECONDS, "seconds": ran.seconds, "peak_bytes": ran.peak_bytes}


def describe_training(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    lines = [line for stage, each in result["stages"].items() for line in _describe_stage(stage, each)]
    if "packing" in result:
        each = result["packing"]
        told = f"{each['seconds']:.1f} s, peak {each['peak_bytes'] / 1e6:,.0f} MB"
        lines.append((f"{each['clips']:,} clips of {each['clip_seconds']} s packed", told))
    return lines


def _describe_stage(stage: str, each: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        f"{stage}, {each['size']}, {each['clips']} clips of {each['clip_seconds']} s",
        f"{each['step_seconds']:.2f} s a step, {each['step_gflops']:,.0f} of {each['matrix_gflops']:,.0f} GFLOP/s: "
        f"{each['fraction_of_matrix_rate']:.1%}",
    )
    if "speed_beside_plain_modules" in each:
        yield "", f"{each['speed_beside_plain_modules']:.2f} times as fast as plain modules with plain optax"
        yield (
            "",
            f"from shards {each['fraction_of_rate_in_memory']:.1%} of the rate of a batch in memory; a thread reads "
            f"{each['batches_read_in_a_step']:,.0f} batches in a step",
        )
    yield (
        "",
        f"memory {each['bytes_gained'] / 1e6:+,.0f} MB in {each['turns']} turns; peak "
        f"{each['peak_bytes'] / 1e9:.2f} GB",
    )
