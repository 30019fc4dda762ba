"""Losses, outputs and gradients of both stages against those of the published modules.

The outputs are those that the losses are of: one compiled function gives all.
"""

from __future__ import annotations

import dataclasses
import zlib

import jax
import numpy as np
import pytest
from conftest import stand_in_parameters
from golden_cases import EXACT, FOLDER, relative_error

from hear_cacophony.model.stages import TINY, TINY_TEXT, EncoderConfig, TextConfig
from hear_cacophony.training.contrastive_captioner import ContrastiveCaptioner, Texts
from hear_cacophony.training.masked_autoencoder import MaskedAutoencoder, PatchSet

LOSS, GRADIENT = 1e-6, 1e-4
STEPS = 62
TINY_512 = dataclasses.replace(TINY_TEXT, vocabulary_size=512)
SIZES = [
    pytest.param("tiny", TINY, TINY_512, id="tiny"),
    pytest.param("base", EncoderConfig(), TextConfig(), id="base", marks=[pytest.mark.slow, pytest.mark.repeats]),
]
"""base repeats tiny with more of each; tests/test_golden.py and test_text_golden.py have its heads and layers."""


def load(size):
    with np.load(FOLDER / "training" / f"{size}.npz") as arrays:
        return dict(arrays)


def check_gradients(ours, golden, prefix):
    """Norm, sum and the product with a fixed random array."""
    assert {f"{prefix}/{path}" for path in ours} == {key for key in golden if key.startswith(f"{prefix}/")}
    for path, gradient in ours.items():
        values = np.asarray(gradient, np.float64)
        random = np.random.default_rng(zlib.crc32(path.encode())).standard_normal(values.shape)
        norm, total, product = golden[f"{prefix}/{path}"]
        scale = GRADIENT * norm * np.sqrt(values.size)
        if path.endswith(("key/bias", "key_proj/bias")):  # these change no softmax: their gradient is rounding alone
            assert max(norm, np.linalg.norm(values)) < 1e-6, path
            continue
        assert abs(np.linalg.norm(values) - norm) < GRADIENT * norm, path
        assert abs(values.sum() - total) < scale, path
        assert abs((values * random).sum() - product) < scale, path


@pytest.mark.parametrize(("size", "config", "_text"), SIZES)
def test_stage_1(size, config, _text):
    golden = load(size)
    kept, wanted = (
        PatchSet(values, 8 * golden[f"mae/{name}time_inds"] + golden[f"mae/{name}freq_inds"], mask.astype(bool))
        for name, values, mask in (
            ("", golden["mae/x"], golden["mae/mask"]),
            ("restore_", golden["mae/targets"], golden["mae/restore_mask"]),
        )
    )
    outputs = []

    class Told(MaskedAutoencoder):
        def restore(self, *given):
            outputs.append(super().restore(*given))
            return outputs[-1]

    def told(parameters):
        return Told(config, config).loss(parameters, kept, wanted, STEPS), outputs.pop()

    parameters = stand_in_parameters("AudioMAE", tiny=size == "tiny")
    (loss, restored), gradients = jax.jit(jax.value_and_grad(told, has_aux=True))(parameters)
    expected = golden["mae/restored"]
    assert relative_error(restored[..., : expected.shape[-1]], expected) < EXACT
    assert loss == pytest.approx(float(golden["mae/loss"]), rel=LOSS)
    check_gradients(gradients, golden, "mae/grad")


@pytest.mark.parametrize(("size", "config", "text_config"), SIZES)
def test_stage_2(size, config, text_config):
    golden = {key.removeprefix("cacophony/"): array for key, array in load(size).items()}
    places = 8 * golden["audio_time_inds"] + golden["audio_freq_inds"]
    patches = PatchSet(golden["audio_patches"], places, golden["audio_mask"].astype(bool))
    texts = Texts(golden["ids"], golden["text_mask"].astype(bool))
    forward = []

    class Told(ContrastiveCaptioner):
        def forward(self, *given):
            forward.append(super().forward(*given))
            return forward[-1]

    def total(parameters):
        losses = Told(config, text_config).losses(parameters, patches, texts, STEPS)
        return losses.contrastive + losses.caption, (losses, forward.pop())

    parameters = stand_in_parameters("Cacophony", tiny=size == "tiny")
    (_, (losses, outputs)), gradients = jax.jit(jax.value_and_grad(total, has_aux=True))(parameters)
    assert relative_error(outputs.audio, golden["audio_embedding"]) < EXACT
    assert relative_error(outputs.text, golden["text_embedding"]) < EXACT
    assert relative_error(outputs.similarities, golden["logits"]) < EXACT
    assert losses.contrastive == pytest.approx(float(golden["contrastive_loss"]), rel=LOSS)
    assert losses.caption == pytest.approx(float(golden["caption_loss"]), rel=LOSS)
    check_gradients(gradients, golden, "grad")
