"""Bad audio, through the interface that users see."""

from __future__ import annotations

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from hear_cacophony import load_embedding_model
from hear_cacophony.frontend.audio_checks import as_batch
from hear_cacophony.frontend.clips import as_clips


@pytest.fixture(scope="module")
def model(tiny_checkpoints):
    return load_embedding_model(tiny_checkpoints["audiomae"])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((16,), r"\(n_sounds, n_samples\), got shape \(16,\); add an axis"),
        ((1, 2, 16), r"got shape \(1, 2, 16\); mix channels down"),
        ((), r"got shape \(\)"),
        ((0, 16), r"at least one sample, got \(0, 16\)"),
        ((2, 0), r"at least one sample, got \(2, 0\)"),
    ],
)
def test_shape_of_a_batch(shape, message):
    with pytest.raises(ValueError, match=message):
        as_batch(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("clips", "message"), [([], "at least one clip"), ([np.zeros((2, 3))], r"got \(2, 3\) in clip 0")]
)
def test_shape_of_clips(clips, message):
    with pytest.raises(ValueError, match=message):
        as_clips(clips)


@pytest.mark.parametrize(("dtype", "scale"), [("int16", "/ 32768"), ("int32", "/ 2147483648"), ("uint8", "/ 128 - 1")])
def test_integers_are_refused_with_the_scale_to_use(dtype, scale):
    with pytest.raises(TypeError, match=f"got {dtype}; scale them: .*{scale}$"):
        as_batch(np.zeros((1, 16), dtype))


@pytest.mark.parametrize("dtype", ["bool", "complex64", "object"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="expected float samples"):
        as_batch(np.zeros((1, 16), dtype))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_are_converted(dtype):
    assert as_batch(np.ones((1, 16), dtype)).dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(model, noise, bad):
    clip = noise(16_000)
    clip[123] = bad
    with pytest.raises(ValueError, match=rf"got {bad} at sample 123 of clip 1"):
        model.embed_scenes([noise(16_000), clip])


def test_loud_samples_warn_once(tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["audiomae"])
    with pytest.warns(UserWarning, match="peak of 32767.*divide them by 32768"):
        model.embed_scenes([np.full(16_000, 32767.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.embed_scenes([np.full(16_000, 32767.0)])


def test_slight_overshoot_does_not_warn(model, noise):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.embed_scenes([np.clip(20 * noise(16_000), -1.3, 1.3)])


def test_one_sample_is_a_clip(model):
    (along,) = model.embed_timestamps([np.array([0.5])])
    assert np.isfinite(model.embed_scenes([np.array([0.5])])).all()
    assert along.embeddings.shape == (1, 64)
    assert np.isfinite(along.embeddings).all()
    assert 0 <= along.timestamps[0] <= 1 / 16


def test_jax_and_numpy_audio_give_the_same(model, noise):
    batch = np.stack([noise(8_000, 1), noise(8_000, 2)])
    assert np.array_equal(model.embed_scenes(jnp.asarray(batch)), model.embed_scenes(batch))
