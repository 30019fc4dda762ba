"""A subset of patches against the encoder's own layers on these patches alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hear_cacophony import frontend
from hear_cacophony.checkpoint import read_checkpoint
from hear_cacophony.embedding import load_embedding_model
from hear_cacophony.encoder import EncoderLayer, time_embedding
from hear_cacophony.parameters import to_variables
from hear_cacophony.patch_subset import embed_subset, encode_subset


@pytest.fixture(scope="module")
def encoder(tiny_checkpoints):
    checkpoint = read_checkpoint(tiny_checkpoints["cacophony"])
    return to_variables(checkpoint.stage, checkpoint.config, checkpoint.parameters), checkpoint.config


def encode_alone(variables, config, clip: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """What the published code computes: the encoder is given the chosen patches and their places, nothing else."""
    params = variables["encoder"]
    frames = frontend.count_frames(len(clip)) // 16 * 16
    log_mel = frontend.log_mel(jnp.asarray(np.pad(clip, (0, 400)))[None], frames)
    chosen = frontend.to_patches(log_mel)[:, patches]
    projection = params["patch_projection"]
    places = time_embedding(frames // 16, config.hidden_size)[patches // 8] + params["frequency_embedding"][patches % 8]
    x = chosen @ projection["kernel"] + projection["bias"] + places
    for i in range(config.num_layers):
        layer = jax.tree.map(lambda stacked, i=i: stacked[i], params["layers"])
        x, _ = EncoderLayer(config, jnp.float32).apply({"params": layer}, x, jnp.ones(x.shape[:2], bool))
    x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return np.asarray(x * params["final_norm"]["scale"] + params["final_norm"]["bias"])[0]


def test_a_subset_is_encoded_as_if_it_were_alone(encoder, noise):
    variables, config = encoder
    clip = noise(44_000)
    patches = np.sort(np.random.default_rng(0).permutation(17 * 8)[:50])
    expected = encode_alone(variables, config, clip, patches)
    found = np.asarray(encode_subset(variables, config, clip, patches))
    assert found.shape == (50, 64)
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)
    other = np.asarray(encode_subset(variables, config, clip, np.arange(50)))
    assert np.linalg.norm(found - other) > 0.1 * np.linalg.norm(expected)


def test_all_patches_give_the_embedding_of_the_clip(encoder, tiny_checkpoints, noise):
    clip = noise(17 * 2560)
    model = load_embedding_model(tiny_checkpoints["cacophony"], protocol="published")
    whole = embed_subset(*encoder, clip, np.arange(17 * 8))
    np.testing.assert_allclose(whole, model.embed_scenes([clip])[0], atol=1e-6)
    assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-5)
    part = embed_subset(*encoder, clip, np.arange(0, 17 * 8, 2))
    assert np.abs(part - whole).max() > 1e-3


@pytest.mark.parametrize("patches", [[], [-1], [17 * 8]])
def test_patches_that_are_none_of_the_clip(encoder, noise, patches):
    with pytest.raises(ValueError, match="expected indices of the 136 whole patches of the clip"):
        encode_subset(*encoder, noise(44_000), np.array(patches, int))
