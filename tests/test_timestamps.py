from __future__ import annotations

import numpy as np
import pytest

from hear_cacophony import load_embedding_model
from hear_cacophony.engine.options import TIMESTAMP_HOPS_MS
from hear_cacophony.engine.timestamps import centre_timestamps, published_timestamps

EDGES = [1, 119, 120, 121, 1400, 1401, 2559, 2560]
LENGTHS = [*np.random.default_rng(0).integers(800, 192_000, 200).tolist(), *EDGES]


@pytest.mark.parametrize("hop", TIMESTAMP_HOPS_MS)
def test_centres_follow_the_rules_of_the_hear_validator(hop):
    for samples in LENGTHS:
        times = centre_timestamps(samples, hop)
        end = samples / 16
        assert np.all(np.diff(times) == hop), samples
        assert 0 < times[0] <= hop, samples
        assert end - hop <= times[-1] < end, samples


@pytest.mark.parametrize("hop", TIMESTAMP_HOPS_MS)
def test_no_drift_over_45_minutes(hop):
    times = centre_timestamps(45 * 60 * 16_000 + 7, hop)
    assert np.array_equal(times, times[0] + hop * np.arange(len(times)))
    assert np.array_equal(times, times.astype(np.float32)), "a float32 tensor must hold them exactly"


def test_model_gives_timestamps_without_running(tiny_checkpoints):
    model = load_embedding_model(tiny_checkpoints["audiomae"], timestamp_hop_ms=20)
    assert np.array_equal(model.timestamps(45 * 60 * 16_000), 7.5 + 20 * np.arange(45 * 60 * 50))


def test_centre_of_a_click_is_where_the_embeddings_change(tiny_checkpoints, noise):
    """The change that a click makes is centred on the click, to within a few milliseconds."""
    model = load_embedding_model(tiny_checkpoints["audiomae"], timestamp_hop_ms=10)
    clip = 0.01 * noise(48_000)
    (before,) = model.embed_timestamps([clip])
    clicked = clip.copy()
    clicked[24_000] += 0.9
    (after,) = model.embed_timestamps([clicked])
    change = np.linalg.norm(after.embeddings - before.embeddings, axis=1)
    touched = change > 0.5 * change.max()
    span = before.timestamps[touched]
    assert abs((span[0] + span[-1]) / 2 - 1500) <= 10
    assert 130 <= span[-1] - span[0] <= 190


def test_published_timestamps_run_from_0_to_the_end(tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["audiomae"], protocol="published")
    (ours,) = model.embed_timestamps([noise(16_000)])
    assert ours.embeddings.shape == (6, 64)
    assert np.array_equal(ours.timestamps, [0, 200, 400, 600, 800, 1000])
    assert np.array_equal(published_timestamps(2.5, 3), [0, 1250, 2500])


def test_published_timestamps_run_to_max_seconds(tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["audiomae"], protocol="published", max_seconds=1.6)
    (ours,) = model.embed_timestamps([noise(16_000)])
    assert ours.embeddings.shape == (10, 64)
    assert ours.timestamps[-1] == 1600
