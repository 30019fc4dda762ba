"""What only an accelerator can show: JAX_PLATFORMS=cuda pytest -m gpu tests/test_gpu.py"""

from __future__ import annotations

import jax
import numpy as np
import pytest
from golden_cases import CASES, load_case, max_seconds, relative_error, tolerance

from hear_cacophony import load_embedding_model
from hear_cacophony.model.attention import _attend_fused, _attend_in_blocks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(jax.default_backend() != "gpu", reason="jax sees no GPU; is JAX_PLATFORMS=cuda set?"),
]


@pytest.mark.parametrize("stage", ["audiomae", "cacophony"])
@pytest.mark.parametrize("case", CASES)
def test_golden_outputs(case, stage, tiny_checkpoints):
    arrays = load_case(case)
    model = load_embedding_model(tiny_checkpoints[stage], protocol="published", max_seconds=max_seconds(case))
    ours = model.embed_scenes(arrays["audio"][None])[0]
    assert relative_error(ours, arrays[f"tiny/{stage}/scene"]) < 3 * tolerance(case)


def test_fused_attention_is_near_that_in_float32():
    query, key, value = np.random.default_rng(0).standard_normal((3, 2, 1496, 8, 96)).astype(np.float32)
    mask = np.arange(1496) < np.array([[1496], [1000]])
    expected = _attend_in_blocks(query, key, value, mask)
    rounded = (jax.numpy.asarray(x, jax.numpy.bfloat16) for x in (query, key, value))
    assert relative_error(_attend_fused(*rounded, mask).astype(np.float32), expected) < 0.02


def test_bfloat16_is_near_float32(full_size_checkpoint, noise):
    path = full_size_checkpoint[1]
    clips = [noise(16_000), noise(480_000, 1)]
    exact = load_embedding_model(path).embed_scenes(clips)
    rough = load_embedding_model(path, precision="bfloat16").embed_scenes(clips)
    cosine = np.sum(exact * rough, axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert np.all(cosine > 0.999)


def test_the_batch_follows_from_the_memory_of_the_card(tiny_checkpoints):
    devices = load_embedding_model(tiny_checkpoints["audiomae"]).devices
    assert devices.memory > 1e9
    assert 4_096 < devices.tokens_per_batch <= 262_144 * len(devices)
