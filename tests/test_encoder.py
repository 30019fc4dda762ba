from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_cases import relative_error

from hear_cacophony.model import attention
from hear_cacophony.model.attention import HEADS_TOGETHER, QUERY_BLOCK, _attend_fused, _attend_in_blocks, attend
from hear_cacophony.model.encoder import time_embedding


@pytest.mark.parametrize("patches", [24, HEADS_TOGETHER + 1, QUERY_BLOCK, QUERY_BLOCK + 1, 2 * QUERY_BLOCK + 200])
def test_attention_is_the_softmax_over_unmasked_keys_however_long_the_clip(patches):
    random = np.random.default_rng(patches)
    query, key, value = random.standard_normal((3, 2, patches, 2, 8)).astype(np.float32)
    mask = np.arange(patches) < np.array([[patches], [patches * 2 // 3]])
    logits = np.einsum("bqhd,bkhd->bhqk", query, key, dtype=np.float64, optimize=True) / np.sqrt(8)
    weights = np.exp(logits) * mask[:, None, None, :]
    expected = np.einsum("bhqk,bkhd->bqhd", weights / weights.sum(-1, keepdims=True), value, optimize=True)
    for path in (attend, _attend_in_blocks):
        assert relative_error(path(query, key, value, mask), expected) < 1e-6, path


def test_the_fused_path_masks_what_lies_behind_the_last_key(monkeypatch):
    """cuDNN's kernel is for GPUs alone; the same call goes to XLA here."""
    plain = jax.nn.dot_product_attention

    def without_cudnn(*arrays, implementation, **lengths):
        assert implementation == "cudnn"
        return plain(*arrays, **lengths)

    monkeypatch.setattr(jax.nn, "dot_product_attention", without_cudnn)
    query, key, value = np.random.default_rng(0).standard_normal((3, 2, 24, 2, 8)).astype(np.float32)
    mask = np.arange(24) < np.array([[24], [7]])
    fused = np.asarray(_attend_fused(query, key, value, mask))
    for window, keys in enumerate((24, 7)):
        logits = np.einsum("qhd,khd->hqk", query[window], key[window, :keys], dtype=np.float64) / np.sqrt(8)
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        expected = np.einsum("hqk,khd->qhd", weights, value[window, :keys])
        assert relative_error(fused[window], expected) < 1e-6


@pytest.mark.parametrize(
    ("backend", "dtype", "path"),
    [
        ("cpu", "float32", "_attend_on_cpu"),
        ("cpu", "bfloat16", "_attend_on_cpu"),
        ("gpu", "bfloat16", "_attend_fused"),
        ("gpu", "float32", "_attend_in_blocks"),
        ("tpu", "bfloat16", "_attend_in_blocks"),
    ],
)
def test_each_device_has_its_path(backend, dtype, path, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    for name in ("_attend_on_cpu", "_attend_fused", "_attend_in_blocks"):
        monkeypatch.setattr(attention, name, lambda *_, name=name: name)
    assert attention.attend(jnp.zeros(3, dtype), None, None, None) == path


def test_time_embedding_holds_all_sines_then_all_cosines():
    embedding = time_embedding(5, 8)
    for t in range(5):
        angles = [t / 10_000 ** (i / 4) for i in range(4)]
        assert np.allclose(embedding[t], [*np.sin(angles), *np.cos(angles)], atol=1e-7)
