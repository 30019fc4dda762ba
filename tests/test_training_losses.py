"""The losses on values that are worked out by hand."""

from __future__ import annotations

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import stand_in_parameters

from hear_cacophony.model.stages import TINY, TINY_TEXT
from hear_cacophony.training.batches import Split
from hear_cacophony.training.contrastive_captioner import ContrastiveCaptioner, Texts
from hear_cacophony.training.held_out import HeldOut
from hear_cacophony.training.losses import (
    caption_loss,
    contrastive_loss,
    normalised_patches,
    patch_mean_loss,
    restoration_loss,
)
from hear_cacophony.training.masked_autoencoder import MaskedAutoencoder, PatchSet
from hear_cacophony.training.step import Mesh, limit_norm


def test_restoration_counts_the_patches_of_the_mask_alone_each_alike():
    targets = jnp.zeros((2, 2, 4))
    restored = jnp.array([[[2.0, 0, 0, 0], [9, 9, 9, 9]], [[1, 1, 1, 1], [3, 3, 3, 3]]])
    mask = jnp.array([[True, False], [True, True]])
    assert restoration_loss(restored, targets, mask) == pytest.approx((4 / 4 + 1 + 9) / 3)
    assert restoration_loss(restored, targets, jnp.zeros((2, 2), bool)) == 0


def test_the_loss_of_patch_means_is_that_of_restoring_each_patch_as_its_mean():
    targets = jnp.array([[[1.0, 3, 1, 3], [0, 0, 0, 8]], [[2, 2, 2, 2], [5, 0, 0, 0]]])
    mask = jnp.array([[True, True], [True, False]])
    means = jnp.broadcast_to(jnp.mean(targets, axis=-1, keepdims=True), targets.shape)
    assert patch_mean_loss(targets, mask) == pytest.approx((1 + 12 + 0) / 3)
    assert patch_mean_loss(targets, mask) == pytest.approx(restoration_loss(means, targets, mask))


def test_normalised_patches_have_mean_0_and_variance_1_and_silence_stays_finite():
    patches = jnp.array([[1.0, 3, 1, 3], [0.5, 0.5, 0.5, 0.5]])
    np.testing.assert_allclose(normalised_patches(patches), [[-1, 1, -1, 1], [0, 0, 0, 0]], atol=1e-5)


def test_contrastive_loss_is_the_mean_along_rows_and_columns():
    # Rows: log(1 + e^-1) and log(1 + e^-3); columns: log(1 + e^-2) and log(1 + e^-2).
    logits = jnp.array([[2.0, 1.0], [0.0, 3.0]])
    rows = np.log1p(np.exp(-1)) + np.log1p(np.exp(-3))
    assert contrastive_loss(logits) == pytest.approx((rows + 2 * np.log1p(np.exp(-2))) / 4)


def test_caption_loss_takes_each_token_from_the_position_before_and_no_padding():
    certain = 50.0 * jax.nn.one_hot(jnp.array([[1, 2, 0], [3, 3, 3]]), 4)
    ids, mask = jnp.array([[0, 1, 2], [0, 3, 1]]), jnp.array([[True, True, True], [True, True, False]])
    assert caption_loss(certain, ids, mask) == pytest.approx(0, abs=1e-6)
    even = jnp.zeros((2, 3, 4))
    assert caption_loss(even, ids, mask) == pytest.approx(np.log(4))
    half_right = certain.at[1].set(0)  # one of three tokens is guessed
    assert caption_loss(half_right, ids, mask) == pytest.approx(np.log(4) / 3, rel=1e-5)


@pytest.mark.parametrize("most", [1.0, 100.0])
def test_gradients_are_limited_as_optax_limits_them(most):
    gradients = {"a": jnp.array([3.0, -4.0]), "b": jnp.array([[12.0]])}  # of norm 13
    expected, _ = optax.clip_by_global_norm(most).update(gradients, optax.EmptyState())
    for name, limited in limit_norm(gradients, most).items():
        np.testing.assert_allclose(limited, expected[name], rtol=1e-6)


TINY_512 = dataclasses.replace(TINY_TEXT, vocabulary_size=512)


@pytest.fixture(scope="module")
def clips():
    random = np.random.default_rng(0)
    places = np.stack([np.sort(random.choice(80, 24, replace=False)) for _ in range(2)])
    values = random.standard_normal((2, 24, 256)).astype(np.float32)
    return PatchSet(values, places, np.ones((2, 24), bool))


def padded(patches: PatchSet, count: int) -> PatchSet:
    """With `count` more that are none, of rubbish and at any place."""
    values = np.pad(patches.values, [(0, 0), (0, count), (0, 0)], constant_values=7.0)
    places = np.pad(patches.places, [(0, 0), (0, count)], constant_values=3)
    return PatchSet(values, places, np.pad(patches.mask, [(0, 0), (0, count)]))


@pytest.fixture(scope="module")
def stage_1(clips):
    """Parameters, and the patches that are kept of clips and wanted of them, with the loss and its gradients."""
    parameters = stand_in_parameters("AudioMAE", tiny=True)
    kept, wanted = (PatchSet(*(x[:, part] for x in clips)) for part in (slice(0, 24, 2), slice(1, 24, 2)))
    return parameters, kept, wanted, GRADIENT(parameters, kept, wanted, 10)


GRADIENT = jax.jit(jax.value_and_grad(MaskedAutoencoder(TINY, TINY).loss), static_argnums=3)


def test_padding_changes_neither_the_loss_of_stage_1_nor_a_gradient(stage_1):
    parameters, kept, wanted, (loss, gradients) = stage_1
    padded_loss, padded_gradients = GRADIENT(parameters, padded(kept, 5), padded(wanted, 3), 10)
    assert padded_loss == pytest.approx(float(loss), rel=1e-6)
    for path, each in gradients.items():
        np.testing.assert_allclose(padded_gradients[path], each, rtol=1e-3, atol=1e-6, err_msg=path)


def test_rematerialisation_and_bfloat16_give_about_the_same(stage_1):
    parameters, kept, wanted, (_, gradients) = stage_1
    path = "AudioEncoder_0/Dense_0/kernel"

    def gradient(**options):
        def loss(kernel):
            return MaskedAutoencoder(TINY, TINY, **options).loss({**parameters, path: kernel}, kept, wanted, 10)

        return jax.jit(jax.grad(loss))(parameters[path])

    plain = np.asarray(gradients[path])
    np.testing.assert_allclose(gradient(remat=True), plain, rtol=1e-4, atol=1e-6)
    low = np.asarray(gradient(precision="bfloat16"))
    assert 0.99 < np.sum(low * plain) / np.linalg.norm(low) / np.linalg.norm(plain) < 1 - 1e-7


def test_dropout_is_drawn_from_its_key_and_absent_without(clips):
    parameters = stand_in_parameters("Cacophony", tiny=True)
    texts = Texts(np.array([[0, 5, 9, 2], [0, 7, 2, 1]]), np.array([[True] * 4, [True] * 3 + [False]]))
    losses = jax.jit(ContrastiveCaptioner(TINY, TINY_512).losses, static_argnums=3)
    plain, again = (losses(parameters, clips, texts, 10) for _ in range(2))
    one, same, other = (losses(parameters, clips, texts, 10, jax.random.key(seed)) for seed in (1, 1, 2))
    assert plain == again
    assert one == same
    assert len({float(each.caption) for each in (plain, one, other)}) == 3


def test_held_out_clips_beyond_whole_batches_are_told():
    batches = types.SimpleNamespace(
        split=Split([], range(11)), held_out=lambda size, most: [(range(size), None)] * (11 // size)
    )
    looked_at = HeldOut(lambda parameters, batch: {}, batches, (), 8, Mesh())
    assert (looked_at.clips, looked_at.extent) == (8, "8 of 11 clips, in batches of 8")
