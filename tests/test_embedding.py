"""What must hold of embeddings whatever the weights."""

from __future__ import annotations

import numpy as np
import pytest
from golden_cases import relative_error
from repeats import first

from hear_cacophony import load_embedding_model
from hear_cacophony.engine import window_embedders
from hear_cacophony.engine.windows import cut_spans
from hear_cacophony.frontend.spectrogram import HOP_LENGTH, PATCH_FRAMES, STEP_LENGTH

STAGES = ["audiomae", "cacophony"]
LENGTHS = [1, 2559, 2560, 16_000, 100_001, 250_000]
"""Samples: patches that are hardly or not quite filled, and two windows of `SHORT_WINDOWS`."""

SHORT_WINDOWS = 13.6
"""Seconds of windows that are computed in a fourth of the time that the usual ones take."""


LONG_LENGTHS = [1, 100, 2559, 2560, 16_000, 43_840, 100_001, 700_000]
"""More of them, and two windows of the usual length."""


@pytest.mark.parametrize(
    "lengths_and_options",
    first(1, [(LENGTHS, {"window_seconds": SHORT_WINDOWS}), (LONG_LENGTHS, {})]),
    ids=["short windows", "usual windows"],
)
@pytest.mark.parametrize("stage", STAGES)
def test_an_embedding_does_not_depend_on_batch_mates(stage, lengths_and_options, tiny_checkpoints, noise):
    lengths, options = lengths_and_options
    model = load_embedding_model(tiny_checkpoints[stage], **options)
    clips = [noise(length, seed) for seed, length in enumerate(lengths)]
    scenes = model.embed_scenes(clips)
    timestamps = model.embed_timestamps(clips)
    for clip, scene, along in zip(clips, scenes, timestamps, strict=True):
        assert relative_error(model.embed_scenes([clip])[0], scene) < 1e-5
        (alone,) = model.embed_timestamps([clip])
        assert relative_error(alone.embeddings, along.embeddings) < 1e-5
        assert np.array_equal(alone.timestamps, along.timestamps)


def test_published_scenes_of_stage_2_do_not_depend_on_padding(tiny_checkpoints, noise):
    clip = noise(16_000)
    own = load_embedding_model(tiny_checkpoints["cacophony"], protocol="published").embed_scenes([clip])
    padded = load_embedding_model(tiny_checkpoints["cacophony"], protocol="published", max_seconds=6)
    assert relative_error(padded.embed_scenes([clip]), own) < 1e-5


def test_published_mean_of_stage_1_holds_the_padding(tiny_checkpoints, noise):
    clip = noise(16_000)
    own = load_embedding_model(tiny_checkpoints["audiomae"], protocol="published").embed_scenes([clip])
    padded = load_embedding_model(tiny_checkpoints["audiomae"], protocol="published", max_seconds=6)
    assert relative_error(padded.embed_scenes([clip]), own) > 0.1


@pytest.mark.parametrize("stage", STAGES)
def test_tail_that_fills_no_patch_is_dropped_from_scenes(stage, tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints[stage])
    clip = noise(3 * STEP_LENGTH + 2_000)
    changed = clip.copy()
    changed[3 * STEP_LENGTH + 240 :] = 0.5
    assert np.array_equal(model.embed_scenes([clip]), model.embed_scenes([changed]))


@pytest.mark.parametrize("stage", STAGES)
def test_clip_shorter_than_a_patch_is_padded_to_one(stage, tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints[stage])
    clip = noise(1_000)
    padded = np.pad(clip, (0, STEP_LENGTH - len(clip)))
    assert relative_error(model.embed_scenes([clip]), model.embed_scenes([padded])) < 1e-6


@pytest.mark.parametrize("hop", [10, 40, 160])
def test_the_last_samples_of_a_clip_reach_its_timestamps(hop, tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["audiomae"], timestamp_hop_ms=hop)
    for length in (16_000, 17_000, 18_231):
        clip = noise(length)
        changed = clip.copy()
        changed[-100:] += 0.5
        (before,), (after,) = model.embed_timestamps([clip]), model.embed_timestamps([changed])
        assert relative_error(after.embeddings[-1], before.embeddings[-1]) > 1e-3


def test_stage_2_scenes_have_unit_norm(tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["cacophony"])
    scenes = model.embed_scenes([noise(16_000), noise(500_000), noise(10)])
    assert np.allclose(np.linalg.norm(scenes, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("hop", [10, 20, 40, 80, 160])
def test_an_embedding_depends_on_its_timestamp_not_on_the_pass_that_made_it(hop, tiny_checkpoints, noise):
    """Every hop's centres are among those of 10 ms, with the same embeddings."""
    fine = load_embedding_model(tiny_checkpoints["audiomae"], timestamp_hop_ms=10)
    coarse = load_embedding_model(tiny_checkpoints["audiomae"], timestamp_hop_ms=hop)
    clip = noise(18_000)
    (every,), (some,) = fine.embed_timestamps([clip]), coarse.embed_timestamps([clip])
    among = np.isin(every.timestamps, some.timestamps)
    if hop == 160:  # its pass starts at the clip, without the lead-in that the other hops' passes see
        assert among.sum() == len(some.timestamps)
    else:
        assert relative_error(every.embeddings[among], some.embeddings) < 1e-5


def test_middle_of_a_long_clip_is_that_of_the_audio_cut_out_with_its_context(tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["audiomae"], window_seconds=SHORT_WINDOWS)
    clip = noise(40 * 16_000)
    middle = cut_spans(-(-(8 + 4_000) // PATCH_FRAMES), window_steps=85)[1]
    start = middle.start * STEP_LENGTH
    stop = start + middle.steps * STEP_LENGTH - 8 * HOP_LENGTH
    clip[start - STEP_LENGTH : start] = 0  # as silent around the cut as the cut itself is around its ends
    clip[stop : stop + STEP_LENGTH] = 0
    (whole,), (piece,) = model.embed_timestamps([clip]), model.embed_timestamps([clip[start:stop]])
    kept = (whole.timestamps >= middle.keep_start * 160) & (whole.timestamps < middle.keep_stop * 160 - 80)
    at = np.isin(piece.timestamps + start / 16, whole.timestamps[kept])
    assert at.sum() == kept.sum() > 200
    assert relative_error(piece.embeddings[at], whole.embeddings[kept]) < 1e-5


def test_lengths_share_compiled_functions(tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["audiomae"])
    model.embed_scenes([noise(16_000 + 10)])
    before = window_embedders._embed_scenes._cache_size()
    for length in range(16_000, 17_000, 50):
        model.embed_scenes([noise(length)])
    assert window_embedders._embed_scenes._cache_size() == before


def test_published_refuses_clips_longer_than_max_seconds(tiny_checkpoints, noise):
    model = load_embedding_model(tiny_checkpoints["audiomae"], protocol="published", max_seconds=1)
    with pytest.raises(ValueError, match=r"clip 1 has 1\.5 s, more than max_seconds=1"):
        model.embed_scenes([noise(16_000), noise(24_000)])


def test_untrained_weights_are_announced_and_repeatable(noise):
    with pytest.warns(UserWarning, match="untrained"):
        model = load_embedding_model("random-tiny")
    with pytest.warns(UserWarning, match="untrained"):
        again = load_embedding_model("random-tiny")
    assert model.untrained
    assert np.array_equal(model.embed_scenes([noise(16_000)]), again.embed_scenes([noise(16_000)]))
