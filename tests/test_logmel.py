"""The log-mel baseline against its definition in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from hear_cacophony.engine.logmel_baseline import LogMelModel
from hear_cacophony.engine.options import Options
from hear_cacophony.frontend import spectrogram
from hear_cacophony.logmel import get_scene_embeddings, get_timestamp_embeddings, load_model


def log_mel_of(clip: np.ndarray) -> np.ndarray:
    return np.asarray(spectrogram.log_mel(clip, spectrogram.count_frames(len(clip))), np.float64)


@pytest.mark.parametrize("samples", [1, 1_000, 16_000, 43_841, 100 * 16_000])
def test_a_scene_is_mean_and_deviation_over_time(samples, noise):
    clip = noise(samples) * np.linspace(0.1, 1, samples, dtype=np.float32)
    bands = log_mel_of(clip)
    (scene,) = LogMelModel(Options()).embed_scenes([clip])
    np.testing.assert_allclose(scene, np.concatenate([bands.mean(axis=0), bands.std(axis=0)]), atol=2e-6)


@pytest.mark.parametrize("hop", [10, 40, 160])
def test_a_timestamp_has_the_statistics_of_the_160_ms_around_it(hop, noise):
    clip = noise(40_000) * np.linspace(0.1, 1, 40_000, dtype=np.float32)
    (along,) = LogMelModel(Options(timestamp_hop_ms=hop)).embed_timestamps([clip])
    bands = log_mel_of(clip)
    for embedding, centre in zip(along.embeddings, along.timestamps, strict=True):
        first = round((centre - 87.5) / 10)
        if 0 <= first <= len(bands) - 16:
            around = bands[first : first + 16]
            expected = np.concatenate([around.mean(axis=0), around.std(axis=0)])
            np.testing.assert_allclose(embedding, expected, atol=2e-6)
    assert along.embeddings.shape == (len(along.timestamps), 256)


def test_batch_mates_change_nothing(noise):
    model = LogMelModel(Options())
    clips = [noise(length, seed) for seed, length in enumerate([100, 16_000, 700_000])]
    for clip, scene, along in zip(clips, model.embed_scenes(clips), model.embed_timestamps(clips), strict=True):
        np.testing.assert_allclose(model.embed_scenes([clip])[0], scene, atol=1e-6)
        np.testing.assert_allclose(model.embed_timestamps([clip])[0].embeddings, along.embeddings, atol=1e-6)


def test_silence_has_no_deviation():
    (scene,) = LogMelModel(Options()).embed_scenes([np.zeros(16_000, np.float32)])
    np.testing.assert_allclose(scene[128:], 0, atol=1e-6)


def test_the_hear_api(noise):
    model = load_model(timestamp_hop_ms=20)
    audio = np.stack([noise(16_000), noise(16_000, 1)])
    assert (model.scene_embedding_size, model.timestamp_embedding_size, model.sample_rate) == (256, 256, 16_000)
    assert get_scene_embeddings(audio, model).shape == (2, 256)
    embeddings, timestamps = get_timestamp_embeddings(audio, model)
    assert embeddings.shape == (2, 50, 256)
    assert np.allclose(np.diff(timestamps), 20)


def test_it_takes_no_file():
    with pytest.raises(ValueError, match=r"no weights, got 'Cacophony\.ckpt'"):
        load_model("Cacophony.ckpt")
