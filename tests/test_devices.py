"""Sharing the batch among devices (two virtual ones, see conftest), and bfloat16.

Most batches are three clips of 1 s, which two devices fill up to four, so that all share what is compiled.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest
from golden_cases import relative_error
from repeats import first

from hear_cacophony import load_embedding_model
from hear_cacophony.engine.devices import Devices

STAGES = first(1, ["cacophony", "audiomae"])


@pytest.mark.parametrize("stage", STAGES)
def test_devices_share_a_batch_and_change_no_result(stage, tiny_checkpoints, noise):
    both = load_embedding_model(tiny_checkpoints[stage], window_seconds=8)
    one = load_embedding_model(tiny_checkpoints[stage], window_seconds=8, devices=Devices([1]))
    assert (len(both.devices), len(one.devices)) == (2, 1)
    clips = [noise(length, seed) for seed, length in enumerate([16_000, 16_100, 15_900, 150_000])]
    assert relative_error(both.embed_scenes(clips), one.embed_scenes(clips)) < 1e-5
    for shared, alone in zip(both.embed_timestamps(clips), one.embed_timestamps(clips), strict=True):
        assert relative_error(shared.embeddings, alone.embeddings) < 1e-5


@pytest.mark.parametrize("kind", ["scene_embedder", "timestamp_embedder"])
def test_each_device_holds_its_share(kind, tiny_checkpoints):
    model = load_embedding_model(tiny_checkpoints["cacophony"])
    embedder = getattr(model, kind)
    windows = embedder.windows(0, 16_000) * 4
    result = embedder.run(np.zeros((4, embedder.num_samples(windows[0].steps)), np.float32), windows)
    assert [shard.data.shape[0] for shard in result.addressable_shards] == [2, 2]
    assert {shard.device for shard in result.addressable_shards} == set(jax.local_devices())


@pytest.mark.parametrize("indices", [[], [0, 0], [2], [-1]])
def test_devices_that_are_not_there_are_refused(indices):
    with pytest.raises(ValueError, match=r"expected some of the devices 0 to 1"):
        Devices(indices)


@pytest.mark.parametrize("devices", ["gpu", "0", 0, True, [True], ["0"], [0.0], {0: 1}])
def test_what_names_no_device_is_told_what_does(devices):
    with pytest.raises(TypeError, match=r"devices=.* is not possible; expected a list of indices .*, such as \[0\]"):
        load_embedding_model("missing.ckpt", devices=devices)


@pytest.mark.parametrize("devices", [[], [3]])
def test_devices_are_checked_before_the_file_is_read(devices):
    with pytest.raises(ValueError, match="expected some of the devices 0 to 1"):
        load_embedding_model("missing.ckpt", devices=devices)


def test_devices_by_their_indices(tiny_checkpoints):
    model = load_embedding_model(tiny_checkpoints["audiomae"], devices=[1])
    assert list(model.devices.mesh.devices) == [jax.local_devices()[1]]


@pytest.mark.parametrize("stage", STAGES)
def test_bfloat16_is_near_float32(stage, tiny_checkpoints, noise):
    exact = load_embedding_model(tiny_checkpoints[stage])
    rough = load_embedding_model(tiny_checkpoints[stage], precision="bfloat16")
    clips = [noise(16_000, seed) for seed in range(3)]
    one, other = exact.embed_scenes(clips), rough.embed_scenes(clips)
    cosine = np.sum(one * other, axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert np.all(cosine > 0.999)
    assert other.dtype == np.float32
    assert relative_error(other, one) > 1e-5, "the option has an effect"


def test_integers_are_scaled_on_the_device(tiny_checkpoints, noise):
    embedder = load_embedding_model(tiny_checkpoints["cacophony"]).scene_embedder
    windows = embedder.windows(0, 16_000) * 4
    integers = np.round(noise(4 * embedder.num_samples(windows[0].steps)).reshape(4, -1) * 32768).astype(np.int16)
    floats = integers.astype(np.float32) / 32768
    assert np.array_equal(embedder.run(integers, windows), embedder.run(floats, windows))
