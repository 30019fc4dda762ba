from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_cases import relative_error

from hear_cacophony.model import attention
from hear_cacophony.model.attention import HEADS_TOGETHER, QUERY_BLOCK, _attend_fused, _attend_in_blocks, attend
from hear_cacophony.model.encoder import silu, time_embedding
from hear_cacophony.model.norm import LayerNorm
from hear_cacophony.model.text_layers import gelu


@pytest.mark.parametrize("patches", [24, HEADS_TOGETHER + 1, QUERY_BLOCK, QUERY_BLOCK + 1, 2 * QUERY_BLOCK + 8])
def test_attention_is_the_softmax_over_unmasked_keys_however_long_the_clip(patches):
    random = np.random.default_rng(patches)
    query, key, value = random.standard_normal((3, 2, patches, 2, 8)).astype(np.float32)
    mask = np.arange(patches) < np.array([[patches], [patches * 2 // 3]])
    logits = np.einsum("bqhd,bkhd->bhqk", query, key, dtype=np.float64, optimize=True) / np.sqrt(8)
    weights = np.exp(logits) * mask[:, None, None, :]
    expected = np.einsum("bhqk,bkhd->bqhd", weights / weights.sum(-1, keepdims=True), value, optimize=True)
    for path in (attend, _attend_in_blocks):
        assert relative_error(jax.jit(path)(query, key, value, mask), expected) < 1e-6, path


def test_the_fused_path_masks_what_lies_behind_the_last_key(monkeypatch):
    """cuDNN's kernel is for GPUs alone; the same call goes to XLA here."""
    plain = jax.nn.dot_product_attention

    def without_cudnn(*arrays, implementation, **lengths):
        assert implementation == "cudnn"
        return plain(*arrays, **lengths)

    monkeypatch.setattr(jax.nn, "dot_product_attention", without_cudnn)
    query, key, value = np.random.default_rng(0).standard_normal((3, 2, 24, 2, 8)).astype(np.float32)
    mask = np.arange(24) < np.array([[24], [7]])
    fused = np.asarray(jax.jit(_attend_fused)(query, key, value, mask))
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


def _values_and_gradients(module, variables, x, weights):
    def weighed(variables, x):
        return jnp.sum(module.apply(variables, x) * weights)

    return jax.jit(module.apply)(variables, x), jax.jit(jax.grad(weighed, argnums=(0, 1)))(variables, x)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5])
def test_the_norm_and_its_gradient_are_those_of_flax(epsilon):
    random = np.random.default_rng(0)
    x, weights = random.standard_normal((2, 3, 5, 16)).astype(np.float32)
    scale, bias = random.standard_normal((2, 16)).astype(np.float32)
    variables = {"params": {"scale": scale, "bias": bias}}
    ours, theirs = (
        _values_and_gradients(module(epsilon=epsilon), variables, 3 * x + 1, weights)
        for module in (LayerNorm, nn.LayerNorm)
    )
    np.testing.assert_array_equal(ours[0], theirs[0])
    for one, other in zip(jax.tree.leaves(ours[1]), jax.tree.leaves(theirs[1]), strict=True):
        assert relative_error(one, other) < 2e-6


def test_the_norm_of_equal_values_has_a_finite_gradient():
    x = np.full((1, 16), 7.0, np.float32)
    variables = {"params": {"scale": np.ones(16, np.float32), "bias": np.zeros(16, np.float32)}}
    value, (_, gradient) = _values_and_gradients(LayerNorm(), variables, x, np.arange(16.0))
    assert np.all(np.isfinite(value))
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    "function", [lambda x: LayerNorm().apply({"params": {"scale": jnp.ones(16), "bias": jnp.zeros(16)}}, x), silu, gelu]
)
def test_one_array_is_kept_for_the_gradient_of_what_is_between_products(function):
    """Memory that a step takes anew costs it more than to compute these again."""
    _, gradient = jax.vjp(function, np.ones((4, 16), np.float32))
    assert sum(kept.size == 4 * 16 for kept in jax.tree.leaves(gradient)) == 1
