"""The encoder's rate beside that of the device's own matrix products.

A product of an m x k by a k x n matrix counts 2 m n k. Counted are the matrix products of the transformer: for
a window of t patches, hidden size h, MLP size f, and 256 values in a patch

    patch projection                  2 t 256 h
    in each layer
        query, key, value             2 t h 3h
        attention logits              2 t t h
        weighted sum of the values    2 t t h
        output                        2 t h h
        MLP                           2 (2 t h f)
    in stage 2, the pooler
        key and value                 2 t h 2h
        logits and weighted sum       2 (2 t h)
        projection                    2 h h

Not counted, though it takes time: the frontend with its Fourier transforms and mel bands, norms, softmax,
activations, and the addition of biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.engine.batches import Batch, even_batches
from hear_cacophony.engine.devices import Devices, on_each
from hear_cacophony.engine.embedding import EmbeddingModel
from hear_cacophony.engine.options import Options
from hear_cacophony.engine.window_embedders import scale
from hear_cacophony.frontend import spectrogram
from hear_cacophony.frontend.spectrogram import PATCH_FRAMES, SAMPLE_RATE
from hear_cacophony.model.stages import PATCH_SIZE, EncoderConfig, Stage
from hear_tasks.benchmark.config import Config, tell
from hear_tasks.benchmark.memory import peak_bytes
from hear_tasks.benchmark.timing import interleave, seconds_of

FORMULA = "2 m n k for each matrix product of the transformer and its pooler; the frontend, norms, softmax not counted"

CPU_ROWS = 2_048
ACCELERATOR_ROWS = 32_768
"""Rows of the first matrix of a product on one device: as many patches as its batches have, about."""

NOISE = 3_000
"""Standard deviation of the noise that is embedded, in 16-bit steps."""

_PRECISE = {"float32": "highest", "bfloat16": "default"}
_PRECISION_SECONDS = 10


class Products:
    """Matrix products of the shape of the encoder's MLP, on all devices.

    Attributes:
        flops: operations in one call.
        shape: m, n, k of a product on one device.
    """

    def __init__(self, config: EncoderConfig, devices: Devices, precision: str, least_seconds: float) -> None:
        rows = CPU_ROWS if devices.platform == "cpu" else ACCELERATOR_ROWS
        self.shape = (rows, config.mlp_size, config.hidden_size)
        random = np.random.default_rng(0)
        dtype = jnp.dtype(precision)
        left = random.standard_normal((rows * len(devices), config.hidden_size), np.float32)
        right = random.standard_normal((config.hidden_size, config.mlp_size), np.float32)
        self._left, self._right = devices.split(left.astype(dtype)), devices.replicate(right.astype(dtype))
        with jax.default_matmul_precision(_PRECISE[precision]):
            self._multiply = jax.jit(jnp.matmul).lower(self._left, self._right).compile()
        self._count = 1
        self()
        self._count = math.ceil(least_seconds / min(seconds_of(self) for _ in range(3)))
        self.flops = self._count * len(devices) * product_flops(*self.shape)

    def __call__(self) -> None:
        """Multiply, and wait for the result."""
        for _ in range(self._count):
            product = self._multiply(self._left, self._right)
        product.block_until_ready()


class FullBatch:
    """One batch of clips of one length, as the engine makes them of a large task.

    Attributes:
        batch: its windows and shape.
        seconds: of audio in it.
        flops: operations of the encoder for it, padding included.
        useful: part of the patches that belongs to clips.
    """

    def __init__(self, model: EmbeddingModel, seconds: int) -> None:
        self._model, self._embedder = model, model.scene_embedder
        devices = model.devices
        (window,) = self._embedder.windows(0, seconds * SAMPLE_RATE)
        many = [window.steps] * 4_096 * len(devices)
        self.batch = next(even_batches(many, self._embedder.tokens_per_step, devices.tokens_per_batch, len(devices)))
        self._windows = [window] * len(self.batch.windows)
        self._audio = noise(self.batch.size * self._embedder.num_samples(self.batch.steps)).reshape(self.batch.size, -1)
        self.seconds = seconds * len(self._windows)
        self.flops = batch_flops(model, self.batch)
        self.useful = window.steps * len(self._windows) / (self.batch.steps * self.batch.size)

    def embed(self) -> None:
        """Run all that is compiled, from 16-bit samples to embeddings."""
        np.asarray(self._embedder.run(self._audio, self._windows))

    def frontend(self) -> Callable[[], Any]:
        """What runs the frontend and the patches alone."""
        mesh, frames = self._model.devices.mesh, self.batch.steps * PATCH_FRAMES

        def patches(_, audio):
            return spectrogram.to_patches(spectrogram.log_mel(scale(audio), frames))

        compiled = jax.jit(lambda audio: on_each(mesh, patches, (), audio))
        return lambda: compiled(self._model.devices.split(self._audio)).block_until_ready()


def noise(samples: int) -> np.ndarray:
    """Noise, int16, shape (samples,)."""
    drawn = np.random.default_rng(0).standard_normal(samples, np.float32)
    return np.clip(NOISE * drawn, -32_768, 32_767).astype(np.int16)


def batch_flops(model: EmbeddingModel, batch: Batch) -> int:
    """Operations of the encoder for a batch of scenes, padding included."""
    patches = batch.steps * model.scene_embedder.tokens_per_step
    return batch.size * window_flops(model.stage, model.config, patches)


def measure_encoder(config: Config) -> dict[str, Any]:
    """The rate of all that is compiled at each length beside that of the matrix products, and the frontend's time."""
    model = config.model
    products = Products(model.config, model.devices, config.precision, config.scale.product_seconds)
    lengths = {}
    for seconds in config.scale.lengths:
        tell(f"encoder, clips of {seconds} s")
        lengths[str(seconds)] = _measure_length(config, products, seconds)
    return {
        "formula": FORMULA,
        "precision": config.precision,
        "product": list(products.shape),
        "lengths": lengths,
        "peak_bytes": peak_bytes(model.devices),
    }


def _measure_length(config: Config, products: Products, seconds: int) -> dict[str, Any]:
    batch = FullBatch(config.model, seconds)
    frontend_alone = batch.frontend()
    frontend_alone()
    batch.embed()
    actions: dict[str, Callable[[], Any]] = {"products": products, "encoder": batch.embed, "frontend": frontend_alone}
    times = interleave(actions, config.scale.rounds)
    rate, matrix_rate = batch.flops / times["encoder"], products.flops / times["products"]
    return {
        "clips_per_batch": len(batch.batch.windows),
        "batch_shape": [batch.batch.size, batch.batch.steps],
        "matrix_gflops": matrix_rate / 1e9,
        "encoder_gflops": rate / 1e9,
        "fraction_of_matrix_rate": rate / matrix_rate,
        "useful_fraction_of_patches": batch.useful,
        "frontend_ms_per_second_of_audio": 1e3 * times["frontend"] / batch.seconds,
        "frontend_fraction_of_time": times["frontend"] / times["encoder"],
        "audio_seconds_per_second": batch.seconds / times["encoder"],
    }


def describe_encoder(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    m, n, k = result["product"]
    lines = [
        ("counted", result["formula"]),
        ("precision", result["precision"]),
        ("peak memory", f"{result['peak_bytes'] / 1e9:.2f} GB"),
    ]
    for seconds, each in result["lengths"].items():
        lines += [
            (
                f"{seconds} s clips",
                f"{each['encoder_gflops']:,.0f} of {each['matrix_gflops']:,.0f} GFLOP/s "
                f"({m}x{k} by {k}x{n}): {each['fraction_of_matrix_rate']:.1%}",
            ),
            (
                "",
                f"{each['audio_seconds_per_second']:,.1f} s of audio a second; batches of "
                f"{each['clips_per_batch']}; {each['useful_fraction_of_patches']:.0%} of the patches are of clips",
            ),
            (
                "",
                f"frontend {each['frontend_ms_per_second_of_audio']:.3f} ms per second of audio, "
                f"{each['frontend_fraction_of_time']:.1%} of the time",
            ),
        ]
    return lines


def measure_precisions(config: Config) -> dict[str, Any]:
    """Both precisions, matrix products and encoder, at one length."""
    seconds = min(_PRECISION_SECONDS, max(config.scale.lengths))
    actions: dict[str, Callable[[], Any]] = {}
    flops: dict[str, int] = {}
    for precision in _PRECISE:
        tell(f"{precision}, clips of {seconds} s")
        model = config.model.with_options(Options(precision=precision))
        products = Products(model.config, model.devices, precision, config.scale.product_seconds)
        batch = FullBatch(model, seconds)
        batch.embed()
        actions |= {f"{precision} matrix": products, f"{precision} encoder": batch.embed}
        flops |= {f"{precision} matrix": products.flops, f"{precision} encoder": batch.flops}
    times = interleave(actions, config.scale.rounds)
    result: dict[str, Any] = {"clip_seconds": seconds}
    for precision in _PRECISE:
        matrix, encoder = (flops[name] / times[name] for name in (f"{precision} matrix", f"{precision} encoder"))
        result[precision] = {
            "matrix_gflops": matrix / 1e9,
            "encoder_gflops": encoder / 1e9,
            "fraction_of_matrix_rate": encoder / matrix,
        }
    result["bfloat16_speed"] = times["float32 encoder"] / times["bfloat16 encoder"]
    return result


def describe_precisions(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    lines = [
        (
            f"{precision}, {result['clip_seconds']} s clips",
            f"{result[precision]['encoder_gflops']:,.0f} of {result[precision]['matrix_gflops']:,.0f} GFLOP/s: "
            f"{result[precision]['fraction_of_matrix_rate']:.1%}",
        )
        for precision in _PRECISE
    ]
    return [*lines, ("bfloat16 beside float32", f"{result['bfloat16_speed']:.2f} times as fast")]


def product_flops(m: int, n: int, k: int) -> int:
    """Operations of the product of an m x k by a k x n matrix."""
    return 2 * m * n * k


def window_flops(stage: Stage, config: EncoderConfig, patches: int) -> int:
    """Operations of the products in the encoder of `stage` for a window of `patches`; padding counts like the rest."""
    hidden = config.hidden_size
    projection = product_flops(patches, hidden, PATCH_SIZE)
    layers = config.num_layers * _layer_flops(config, patches)
    return projection + layers + (0 if stage.pool_path is None else _pooler_flops(hidden, patches))


def _layer_flops(config: EncoderConfig, patches: int) -> int:
    hidden = config.hidden_size
    joined = product_flops(patches, 3 * hidden, hidden)
    attention = 2 * product_flops(patches, patches, hidden)
    output = product_flops(patches, hidden, hidden)
    return joined + attention + output + 2 * product_flops(patches, config.mlp_size, hidden)


def _pooler_flops(hidden: int, patches: int) -> int:
    key_value = product_flops(patches, 2 * hidden, hidden)
    return key_value + 2 * product_flops(1, patches, hidden) + product_flops(1, hidden, hidden)
