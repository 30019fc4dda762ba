"""The benchmark of training: its plain modules agree with the package's own, and what it counts and tells."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from repeats import first

from hear_cacophony.engine.devices import Devices
from hear_cacophony.frontend.spectrogram import STEP_LENGTH, WINDOW_OVERHANG
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY, TINY, TINY_TEXT, EncoderConfig, TextConfig, find_stage
from hear_cacophony.training.batches import Batch
from hear_cacophony.training.initial import drawn_parameters
from hear_cacophony.training.objectives import make_objective
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.sizes import SIZES, Sizes
from hear_cacophony.training.step import Mesh, make_step
from hear_tasks.benchmark import training
from hear_tasks.benchmark.config import QUICK, Config
from hear_tasks.benchmark.training_reference import reference_loss, reference_model, reference_variables

ONE = dataclasses.replace(TINY, num_layers=1)
SMALL = Sizes(ONE, ONE, dataclasses.replace(TINY_TEXT, vocabulary_size=300, num_layers=1, decoder_layers=1))
STEPS = 9


def options(stage):
    return TrainOptions(stage, SMALL, steps=10, batch=4, learning_rate=1e-3, warmup=1)


def places(random, counts, room):
    """Some places of each clip, in order, zeros behind them, and how many there are."""
    rows = np.zeros((len(counts), room), np.int32)
    for row, count in zip(rows, counts, strict=True):
        row[:count] = np.sort(random.choice(8 * STEPS, count, replace=False))
    return rows, np.array(counts, np.int32)


def mixed_batch(stage, seed):
    """Noise, clicks, silence and a tone; rows of any number of patches and tokens, one of which has none to restore."""
    random = np.random.default_rng(seed)
    length = STEPS * STEP_LENGTH + WINDOW_OVERHANG
    audio = np.zeros((4, length), np.int16)
    audio[0] = random.normal(0, 4000, length)
    audio[1, :: random.integers(500, 900)] = 20_000
    audio[3, : length // 2] = 9000 * np.sin(np.arange(length // 2) * random.uniform(0.05, 1))
    kept = places(random, [14, 9, 1, 6], 14)
    if find_stage(stage) is AUDIOMAE:
        return Batch(audio, *kept, *places(random, [11, 20, 3, 0], 20))
    ids, lengths = random.integers(3, 300, (4, 12)).astype(np.int32), np.array([12, 3, 7, 4], np.int32)
    ids[np.arange(12) >= lengths[:, None]] = 1
    return Batch(audio, *kept, ids=ids, lengths=lengths)


@pytest.mark.parametrize("case", first(1, itertools.product(("audiomae", "cacophony"), (0, 1))))
def test_plain_modules_give_the_loss_and_the_gradients(case):
    stage, seed = case
    given, batch = options(stage), mixed_batch(stage, seed)
    # Larger than training starts with, so that attention is not even.
    parameters = {
        path: np.float32(3) * x for path, x in drawn_parameters(given.of, SMALL, seed).items() if x.ndim > 1
    } | {path: x + np.float32(0.1) for path, x in drawn_parameters(given.of, SMALL, seed).items() if x.ndim < 2}
    objective, model = make_objective(given, Devices().mesh), reference_model(given, dropout=False)

    def ours(parameters):
        return objective.measure(parameters, batch)["loss"]

    def plain(parameters):
        return reference_loss(model, reference_variables(model, batch, parameters), batch)

    batch = Batch(*(x if x is None else jnp.asarray(x) for x in batch))
    values = jax.tree.map(jnp.asarray, parameters)
    (loss, gradients), (expected, plain_gradients) = (jax.jit(jax.value_and_grad(f))(values) for f in (ours, plain))
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    for path, each in plain_gradients.items():
        expected, found = np.asarray(each, np.float64), np.asarray(gradients[path], np.float64)
        if path.endswith(("key/bias", "key_proj/bias")):  # these change no softmax: their gradient is rounding alone
            scale = np.linalg.norm(plain_gradients[path.removesuffix("bias") + "kernel"])
            assert max(np.linalg.norm(expected), np.linalg.norm(found)) < 1e-4 * scale, path
            continue
        norm = np.linalg.norm(expected)
        random = np.random.default_rng(zlib.crc32(path.encode())).standard_normal(expected.shape)
        scale = 1e-4 * norm * np.sqrt(expected.size)
        assert norm > 0, path
        assert abs(np.linalg.norm(found) - norm) < 1e-4 * norm, path
        assert abs(found.sum() - expected.sum()) < scale, path
        assert abs((found * random).sum() - (expected * random).sum()) < scale, path


@functools.cache
def step_of(options):
    """The step, traced once for all tests."""
    return make_step(make_objective(options, Mesh().devices), options, Mesh())


@pytest.fixture
def small(monkeypatch):
    """Training of small sizes, and of stage 1 alone unless told otherwise."""
    monkeypatch.setitem(SIZES, "tiny", SMALL)
    monkeypatch.setattr(training, "STAGES", (AUDIOMAE,))
    monkeypatch.setattr(training, "make_step", lambda _, options, mesh: step_of(options))


@pytest.mark.parametrize(
    "stage_and_precision",
    first(1, [(AUDIOMAE, "float32"), (AUDIOMAE, "bfloat16"), (CACOPHONY, "float32")]),
)
def test_all_is_measured_and_told(stage_and_precision, tmp_path, small, monkeypatch):
    stage, precision = stage_and_precision
    monkeypatch.setattr(training, "STAGES", (stage,))
    result = training.measure_training(Config(["random-tiny"], precision, QUICK, tmp_path))
    assert list(result["stages"]) == [stage.name]
    each = result["stages"][stage.name]
    assert each["fraction_of_matrix_rate"] == pytest.approx(each["step_gflops"] / each["matrix_gflops"])
    assert each["clips_per_second"] == pytest.approx(QUICK.train_clips / each["step_seconds"])
    assert min(each["speed_beside_plain_modules"], each["fraction_of_rate_in_memory"]) > 0
    assert each["compilations_after_warm_up"] == 0
    assert result["packing"]["clips"] == QUICK.packed_clips
    assert result["packing"]["peak_bytes"] > 1e7
    lines = training.describe_training(result)
    assert lines[0][0] == f"{stage.name}, tiny, 4 clips of 1 s"
    assert "times as fast as plain modules" in lines[1][1]
    assert lines[-1][0] == "40 clips of 1 s packed"


def test_without_the_extra_steps_alone_are_measured(tmp_path, small, monkeypatch):
    monkeypatch.setattr(training, "FED_BY", ("no_such_module",))
    config = Config(["random-tiny"], "float32", dataclasses.replace(QUICK, name="short"), tmp_path)
    (each,) = training.measure_training(config)["stages"].values()
    assert each["step_seconds"] > 0
    assert "speed_beside_plain_modules" not in each
    skipped = training.measure_training(Config(["random-tiny"], "float32", QUICK, tmp_path))
    assert skipped == {"skipped": "no module named no_such_module; install the extra `train`"}


def test_operations_are_those_of_the_products_counted_by_hand():
    encoder, decoder = EncoderConfig(4, 1, 2, 8, 2), EncoderConfig(6, 1, 2, 10)
    sizes = Sizes(encoder, decoder, TextConfig(4, 20, 8, 1, 1, 2, 8))
    given = TrainOptions("audiomae", sizes, steps=10, batch=2, learning_rate=1e-3, warmup=1)
    objective = make_objective(given, Devices().mesh)
    batch = Batch(np.zeros((2, 1)), np.zeros((2, 3)), None, np.zeros((2, 5)), None)
    encoded = 3 * 256 * 4 + 3 * (4 * 4 * 4 + 2 * 4 * 8) + 2 * 3 * 3 * 4
    decoded = 3 * 4 * 6 + 8 * (4 * 6 * 6 + 2 * 6 * 10) + 2 * 8 * 8 * 6 + 5 * 6 * 256
    assert objective.products(batch) == 2 * 2 * 3 * (encoded + decoded)
