"""The HEAR API, as heareval and hear-validator use it."""

from __future__ import annotations

import importlib

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from later import Later

import hear_cacophony
from hear_cacophony import CheckpointError

tf = Later("tensorflow")

STAGES = ["audiomae", "cacophony"]


@pytest.fixture(scope="module", params=STAGES)
def module(request):
    return importlib.import_module(f"hear_cacophony.{request.param}")


@pytest.fixture
def model(module, tiny_checkpoints):
    return module.load_model(str(tiny_checkpoints[module.__name__.split(".")[1]]))


def test_model_is_what_heareval_expects(model):
    assert isinstance(model, tf.Module)
    sizes = (model.sample_rate, model.scene_embedding_size, model.timestamp_embedding_size)
    assert sizes == (16_000, 64, 64)
    assert all(type(size) is int for size in sizes)


def test_outputs_are_float32_tensors(module, model, noise):
    audio = tf.constant(np.stack([noise(20_000, 1), noise(20_000, 2), noise(20_000, 3)]))
    scenes = module.get_scene_embeddings(audio, model)
    embeddings, timestamps = module.get_timestamp_embeddings(audio, model)
    assert {type(x).__name__ for x in (scenes, embeddings, timestamps)} == {"EagerTensor"}
    assert {x.dtype for x in (scenes, embeddings, timestamps)} == {tf.float32}
    assert (scenes.shape, embeddings.shape, timestamps.shape) == ((3, 64), (3, 32, 64), (3, 32))
    assert np.array_equal(timestamps.numpy()[1], 7.5 + 40 * np.arange(32))


def test_every_kind_of_array_gives_the_same(module, model, noise):
    audio = np.stack([noise(10_000, 1), noise(10_000, 2)])
    tensor = torch.tensor(audio, requires_grad=True)
    expected = module.get_scene_embeddings(tf.constant(audio), model).numpy()
    for other in (audio, jnp.asarray(audio), tensor, audio.astype(np.float64)):
        assert np.array_equal(module.get_scene_embeddings(other, model).numpy(), expected)


def test_package_loads_either_stage(tiny_checkpoints):
    for stage in STAGES:
        assert hear_cacophony.load_model(str(tiny_checkpoints[stage])).embedder.stage.name == stage


def test_module_refuses_the_other_stage(module, tiny_checkpoints):
    other = "cacophony" if module.__name__.endswith("audiomae") else "audiomae"
    with pytest.raises(CheckpointError, match=f"load it with the module hear_cacophony.{other}"):
        module.load_model(str(tiny_checkpoints[other]))


def test_options_reach_the_model(module, tiny_checkpoints, noise):
    path = str(tiny_checkpoints[module.__name__.split(".")[1]])
    published = module.load_model(path, protocol="published", max_seconds=2)
    embeddings, timestamps = module.get_timestamp_embeddings(noise(16_000)[None], published)
    assert embeddings.shape == (1, 12, 64)
    assert timestamps.numpy()[0, -1] == 2000
    with pytest.raises(TypeError, match="valid options are 'protocol', 'timestamp_hop_ms', 'max_seconds'"):
        module.load_model(path, hop=10)


def test_untrained_model_by_name(module, noise):
    with pytest.warns(UserWarning, match="untrained"):
        model = module.load_model("random-tiny")
    assert model.embedder.untrained
    assert module.get_scene_embeddings(noise(16_000)[None], model).shape == (1, 64)


def test_one_clip_needs_its_axis(module, model, noise):
    with pytest.raises(ValueError, match=r"audio\[None, :\]"):
        module.get_scene_embeddings(noise(16_000), model)


def test_timestamps_are_exact_in_float32_for_45_minutes(model):
    times = model.embedder.timestamps(45 * 60 * 16_000)
    assert np.array_equal(tf.constant(times, tf.float32).numpy().astype(np.float64), times)
