from __future__ import annotations

import numpy as np
import pytest
from later import Later

from hear_cacophony.frontend import spectrogram

tf = Later("tensorflow")


def test_mel_weights_are_those_of_tensorflow():
    theirs = tf.signal.linear_to_mel_weight_matrix(128, 257, 16_000, 0.0, 8_000.0, tf.float64).numpy()
    assert np.abs(spectrogram.mel_weights() - theirs).max() < 1e-6


def test_window_is_that_of_tensorflow():
    assert np.abs(spectrogram.hann_window() - tf.signal.hann_window(400, periodic=True).numpy()).max() < 1e-6


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (160, 1), (161, 2), (16_000, 100), (16_001, 101)])
def test_number_of_frames(samples, frames):
    assert spectrogram.count_frames(samples) == frames


def test_patches_run_through_time_then_bands():
    log_mel = np.arange(40 * 128, dtype=np.float32).reshape(40, 128)
    patches = np.asarray(spectrogram.to_patches(log_mel))
    assert patches.shape == (16, 256), "two whole steps of 8 patches; 8 frames are dropped"
    assert np.array_equal(patches[8 + 3].reshape(16, 16), log_mel[16:32, 48:64])
