from __future__ import annotations

import itertools

import numpy as np
import pytest

from hear_cacophony import load_embedding_model
from hear_cacophony.engine.window_embedders import timestamp_windows
from hear_cacophony.engine.windows import CONTEXT_STEPS, WINDOW_STEPS, Window, WindowSpan, cut_audio, cut_spans


@pytest.fixture(scope="module")
def model(tiny_checkpoints):
    return load_embedding_model(tiny_checkpoints["audiomae"])


@pytest.mark.parametrize("steps", [1, 186, 187, 188, 189, 349, 350, 351, 1000, 3750, 16875])
def test_every_step_is_kept_once_with_context_on_both_sides(steps):
    spans = cut_spans(steps)
    kept = [step for span in spans for step in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(steps))
    assert len({span.steps for span in spans}) == 1
    for span in spans:
        assert span.steps <= WINDOW_STEPS
        assert span.start == 0 or span.keep_start - span.start >= CONTEXT_STEPS
        assert span.stop == steps or span.stop - span.keep_stop >= CONTEXT_STEPS


def test_cost_of_a_long_clip_is_linear():
    seen = sum(span.steps for span in cut_spans(3750))
    assert seen < 1.2 * 3750


@pytest.mark.parametrize("context", [0, 1, 12, 40, 75])
def test_windows_overlap_by_what_is_asked_for_and_are_as_few_as_that_allows(context):
    spans = cut_spans(1_000, 187, context)
    assert [spans[0].start, spans[-1].stop] == [0, 1_000]
    assert len(spans) == 1 + -(-(1_000 - 187) // (187 - 2 * context))
    for before, after in itertools.pairwise(spans):
        assert before.keep_stop == after.keep_start
        assert before.stop - before.keep_stop >= context
        assert after.keep_start - after.start >= context


def test_spans_of_a_clip_by_hand():
    assert cut_spans(5, 10, 2) == [WindowSpan(0, 5, 0, 5)]
    assert cut_spans(20, 10, 2) == [WindowSpan(0, 10, 0, 7), WindowSpan(5, 15, 7, 12), WindowSpan(10, 20, 12, 20)]


def test_audio_of_windows_is_silent_outside_of_its_clip():
    clips = [np.arange(1, 11, dtype=np.float32), np.full(3, 7, np.float32)]
    span = WindowSpan(0, 1, 0, 1)
    windows = [Window(0, span, -2, 1), Window(0, span, 6, 1), Window(0, span, 10, 1), Window(1, span, 0, 1)]
    audio = cut_audio(clips, windows, 5, 5)
    assert audio.tolist() == [[0, 0, 1, 2, 3], [7, 8, 9, 10, 0], [0] * 5, [7, 7, 7, 0, 0], [0] * 5]


def test_weight_of_a_window_is_its_kept_frames_of_the_clip():
    assert Window(0, WindowSpan(5, 15, 7, 12), 0, 10_000).weight == 80
    assert Window(0, WindowSpan(5, 15, 7, 15), 0, 200).weight == 200 - 112
    assert Window(0, WindowSpan(0, 1, 0, 1), 0, 0).weight == 1


def test_scenes_of_windows_are_averaged_by_weight(model):
    windows = np.array([[1, 0], [4, 3], [5, 5]], np.float32)
    merged = model.merge_windows(windows, np.array([2, 1, 7]), np.array([0, 2]))
    assert np.allclose(merged, [[2, 1], [5, 5]])


def test_merged_scenes_of_stage_2_have_unit_norm_again(tiny_checkpoints):
    model = load_embedding_model(tiny_checkpoints["cacophony"])
    merged = model.merge_windows(np.array([[1, 0], [0, 1]], np.float32), np.array([3, 4]), np.array([0]))
    assert np.allclose(merged, [[0.6, 0.8]])


@pytest.mark.parametrize("samples", [1, 16_000, 700_000, 1_000_001])
def test_kept_times_are_those_of_the_clip_each_once(model, samples):
    times = len(model.timestamps(samples))
    places = [model.kept_times(window, times) for window in timestamp_windows(0, samples, model.options)]
    filled = [i for kept, first in places for i in range(first, first + kept.stop - kept.start)]
    assert filled == list(range(times))
    for (kept, first), window in zip(places, timestamp_windows(0, samples, model.options), strict=True):
        assert kept.start + 4 * window.span.start == first, "4 hops of 40 ms in a time step"


def test_the_overlap_reaches_scenes_and_timestamps(model, tiny_checkpoints, noise):
    wide = load_embedding_model(tiny_checkpoints["audiomae"], window_seconds=8, window_overlap_seconds=6)
    usual = load_embedding_model(tiny_checkpoints["audiomae"], window_seconds=8)
    same = load_embedding_model(tiny_checkpoints["audiomae"], window_seconds=8, window_overlap_seconds=3.84)
    clip = noise(14 * 16_000)
    for embedder in ("scene_embedder", "timestamp_embedder"):
        counts = [len(getattr(each, embedder).windows(0, len(clip))) for each in (usual, same, wide)]
        assert counts == [3, 3, 5]
    assert np.array_equal(usual.embed_scenes([clip]), same.embed_scenes([clip]))
    assert not np.array_equal(usual.embed_scenes([clip]), wide.embed_scenes([clip]))
