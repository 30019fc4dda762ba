"""Bad audio, through the interface that users see."""

from __future__ import annotations

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from hear_cacophony import load_embedding_model
from hear_cacophony.frontend.audio_checks import as_batch, as_clip
from hear_cacophony.frontend.clips import as_clips


@pytest.fixture(scope="module")
def model(tiny_checkpoints):
    return load_embedding_model(tiny_checkpoints["audiomae"])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((16,), r"\(n_sounds, n_samples\), got shape \(16,\); add an axis"),
        ((16_000, 2), r"got \(16000, 2\), which looks like \(samples, channels\); mix it down"),
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
    ("clips", "message"),
    [
        ([], "at least one clip"),
        ([np.zeros((2, 300))], r"got \(2, 300\) in clip 0; mix 2 channels down to mono: clip\.mean\(axis=0\)"),
        ([np.zeros(9), np.zeros((300, 2))], r"got \(300, 2\) in clip 1; mix 2 .* clip\.mean\(axis=1\)"),
        ([0.1, 0.2], r"got \(\) in clip 0; a single clip goes into a list"),
    ],
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


@pytest.mark.parametrize("check", [as_batch, lambda audio: as_clip(audio[0], 0)])
def test_what_is_masked_is_not_taken_for_samples(check):
    with pytest.raises(TypeError, match=r"got a masked array; audio\.filled"):
        check(np.ma.masked_greater(np.ones((1, 16), np.float32), 0.5))


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


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (None, "got NoneType$"),
        (3, "got int$"),
        (b"clip.wav", "got bytes"),
        ((clip for clip in [np.zeros(9)]), r"got a generator, which can be read once only: list\(clips\)"),
        (map(np.zeros, [9]), "got a map, which can be read once only"),
        ({1: np.zeros(9)}.values(), r"got dict_values; clips = list\(dict_values\)"),
        (np.array(["a.wav", "b.wav"]), "make it a list"),
    ],
    ids=["None", "int", "bytes", "generator", "map", "dict values", "array of paths"],
)
def test_what_is_no_clip_is_told_what_is_one(clips, message, model):
    for embed in (model.embed_scenes, model.embed_timestamps):
        with pytest.raises(TypeError, match=f"expected a list of mono clips or of audio files, .*{message}"):
            embed(clips)


@pytest.mark.parametrize("rate", [0, -1, 44.1, 999, 768_001, float("nan"), "44100", True, None])
def test_impossible_sample_rates(rate):
    with pytest.raises(ValueError, match="is not possible; expected samples per second, 1000 to 768000"):
        as_clips([np.zeros(9)], rate)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_are_resampled(rate):
    """A tone well below half of either rate stays what it is."""
    seconds = 0.7
    times = np.arange(round(rate * seconds)) / rate
    (clip,) = as_clips([np.sin(2 * np.pi * 440 * times)], rate)
    expected = np.sin(2 * np.pi * 440 * np.arange(11_200) / 16_000)
    assert (clip.shape, clip.dtype) == ((11_200,), np.float32)
    assert np.abs(clip - expected)[800:-800].max() < 1e-4
    assert as_clips([np.zeros(1)], rate)[0].size == 1 or rate == 8_000


def test_arrays_of_another_rate_are_embedded_as_the_resampled_clip(model, noise):
    clips = [noise(44_100), noise(30_000, 1)]
    ours = as_clips(clips, 44_100)
    assert np.array_equal(model.embed_scenes(clips, sample_rate=44_100), model.embed_scenes(ours))
    assert not np.allclose(model.embed_scenes(clips), model.embed_scenes(ours), atol=1e-3)
    (first, _), (expected, _) = model.embed_timestamps(clips, sample_rate=44_100), model.embed_timestamps(ours)
    assert np.array_equal(first.embeddings, expected.embeddings)
    assert first.timestamps[-1] < 1_000


def test_nan_is_told_by_its_place_before_resampling():
    clip = np.zeros(1_000)
    clip[444] = np.nan
    with pytest.raises(ValueError, match="got nan at sample 444 of clip 1"):
        as_clips([np.zeros(9), clip], 48_000)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_torch_tensors_of_every_precision(dtype):
    torch = pytest.importorskip("torch")
    values = np.array([[0.5, -0.25, 0.125, 1.0]])
    tensor = torch.tensor(values, dtype=getattr(torch, dtype), requires_grad=True)
    for given in (tensor, tensor * 1, tensor.T.contiguous().T):
        assert np.array_equal(as_batch(given), values.astype(np.float32))
    assert np.array_equal(as_clips([tensor[0]])[0], values[0].astype(np.float32))
    with pytest.raises(TypeError, match="got int16"):
        as_batch(torch.zeros(1, 9, dtype=torch.int16))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_of_jax(dtype):
    assert np.array_equal(as_batch(jnp.array([[0.5, -0.25]], dtype)), np.array([[0.5, -0.25]], np.float32))
