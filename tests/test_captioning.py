from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from hear_cacophony.engine.generation import Generation
from hear_tasks.benchmark.timing import count_compilations

END = 478
"""A token that the tiny model writes soon, as the end token."""


@pytest.fixture(scope="module")
def model(tiny_text_model):
    return tiny_text_model


@pytest.fixture(scope="module")
def sounds():
    random = np.random.default_rng(0)
    return [(0.1 * random.standard_normal(n)).astype(np.float32) for n in (16_000, 15_000, 40_000)]


def log_probabilities(model, clip, ids):
    """Of each token that could follow `ids`, by the uncached pass, in which what comes later does not count."""
    filled = [*ids, *[0] * (11 - len(ids))]  # as long as in other tests, for which it is compiled
    logits = model.caption_logits([clip], [filled])[0, len(ids) - 1].astype(np.float64)
    return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())


@pytest.mark.parametrize(
    ("method", "settings"), [("greedy", {}), ("sample", {"temperature": 1.0}), ("beam", {"beams": 3})]
)
def test_a_caption_does_not_depend_on_its_batch_mates(method, settings, model, sounds):
    settings |= {"max_tokens": 12, "end_token": END}
    if method == "beam":
        sounds = sounds[:2]  # the third has a batch of its own, as in the other methods
    keys = np.random.default_rng(1).integers(0, 2**32, (3, 2), np.uint32) if method == "sample" else None
    together = model.caption_tokens(sounds, method, keys=keys, **settings)
    fresh = model.with_options(model.audio.options)
    (alone,) = fresh.caption_tokens(sounds[1:2], method, keys=None if keys is None else keys[1:2], **settings)
    assert alone.tolist() == together[1].tolist()


def test_cached_captions_are_those_of_the_whole_pass(model, sounds):
    (ids,) = model.caption_tokens(sounds[:1], max_tokens=12, end_token=511)
    logits = model.caption_logits(sounds[:1], ids[None, :-1])
    assert ids[1:].tolist() == logits[0].argmax(axis=-1).tolist()


def test_samples_change_with_the_key_alone(model, sounds):
    def drawn(seed):
        return model.caption_tokens(sounds[:1], "sample", seed=seed, temperature=1.0, max_tokens=12, end_token=END)

    assert np.array_equal(drawn(seed=1), drawn(seed=1))
    assert not np.array_equal(drawn(seed=1), drawn(seed=2))


def test_another_temperature_is_not_compiled_anew(model, sounds):
    def drawn(temperature):
        return model.caption_tokens(sounds[:1], "sample", temperature=temperature, max_tokens=12, end_token=END)

    cool = drawn(0.2)
    with count_compilations() as counter:
        assert not np.array_equal(drawn(3.0), cool)
        assert np.array_equal(drawn(0.2), cool)
    assert counter.count == 0


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("greedy", {"seed": 3}, "seed goes with method='sample' only, not 'greedy', which draws no random numbers"),
        ("beam", {"keys": np.zeros((1, 2), np.uint32)}, "keys goes with method='sample' only, not 'beam'"),
        ("sample", {"seed": 1 << 32}, "seed=4294967296 is not possible; expected 0 to 4294967295"),
        ("sample", {"seed": -1}, "seed=-1 is not possible; expected 0 to 4294967295"),
        ("sample", {"seed": 3, "keys": np.zeros((1, 2), np.uint32)}, "expected a seed or keys, got both"),
    ],
)
def test_random_numbers_that_are_not_drawn_are_an_error(method, given, message, model, sounds):
    with pytest.raises(ValueError, match=re.escape(message)):
        model.caption_tokens(sounds[:1], method, **given)


def search_by_hand(model, clip, beams, tokens, end, power):
    """Beam search without caches, one beam after another."""
    live, ended = [((0,), 0.0)], []
    for length in range(1, tokens):
        grown = [
            ((*ids, token), score + value)
            for ids, score in live
            for token, value in enumerate(log_probabilities(model, clip, list(ids)))
        ]
        grown = sorted(grown, key=lambda each: -each[1])[: 2 * beams]
        ended += [(ids, score / length**power) for ids, score in grown if ids[-1] == end]
        ended = sorted(ended, key=lambda each: -each[1])[:beams]
        live = [each for each in grown if each[0][-1] != end][:beams]
    return list((ended or live)[0][0])


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_beam_search_finds_what_a_search_by_hand_finds(power, model, sounds):
    settings = {"beams": 3, "length_power": power, "max_tokens": 6}
    # An end token that is probable early: then lengths differ, and their normalisation shows.
    end = int(np.argsort(log_probabilities(model, sounds[0], [0]))[-3])
    (ours,) = model.caption_tokens(sounds[:1], "beam", end_token=end, **settings)
    by_hand = search_by_hand(model, sounds[0], 3, 6, end, power)
    assert ours.tolist() == by_hand + [0] * (6 - len(by_hand))


def test_one_beam_that_never_ends_is_greedy(model, sounds):
    (beam,) = model.caption_tokens(sounds[:1], "beam", beams=1, max_tokens=12, end_token=511)
    (greedy,) = model.caption_tokens(sounds[:1], max_tokens=12, end_token=511)
    assert 511 not in greedy
    assert beam.tolist() == greedy.tolist()


def test_captions_attend_to_every_window_of_a_long_clip(model, noise):
    """A clip of two windows: what the patches of both hold is what counts."""
    model = model.with_options(dataclasses.replace(model.audio.options, window_seconds=13.6))
    clip = noise(20 * 16_000)
    encoder = model._patch_encoder
    (encoded,) = encoder.encode([clip])
    assert encoded.shape == (125 * 8, 64)
    (caption,) = model.caption_tokens([clip], max_tokens=12)
    how = Generation(max_tokens=12)
    (batch,) = model._captioner.batches([len(encoded)], how)
    written = model._captioner.write([encoded], np.zeros((1, 2), np.uint32), batch, how)
    assert caption.tolist() == written[0].tolist()
    silenced = clip.copy()
    silenced[-100_000:] = 0
    assert not np.array_equal(encoder.encode([silenced])[0][-100:], encoded[-100:])
    assert np.array_equal(encoder.encode([silenced])[0][:480], encoded[:480])


def test_patches_of_a_short_clip_are_those_of_its_timestamps(model, noise):
    clip = noise(32_000)
    (encoded,) = model._patch_encoder.encode([clip])
    (timestamps,) = model.audio.with_options(type(model.audio.options)(protocol="published")).embed_timestamps([clip])
    assert np.allclose(encoded.reshape(-1, 8, 64).mean(axis=1), timestamps.embeddings, atol=1e-5)


def test_kept_patches(model, noise):
    clip, other = noise(48_000), noise(20_000, seed=1)
    everything = np.arange(18 * 8)
    whole = model.embed_audio([clip])
    assert np.allclose(model.embed_audio([clip], kept_patches=[everything]), whole, atol=1e-5)
    some = np.sort(np.random.default_rng(0).permutation(everything)[:50])
    both = model.embed_audio([other, clip], kept_patches=[None, some])
    assert np.allclose(both[0], model.embed_audio([other])[0], atol=1e-6)
    assert not np.allclose(both[1], whole[0], atol=1e-3)
    settings = {"max_tokens": 12, "end_token": END}
    captions = model.caption_tokens([other, clip], kept_patches=[None, everything], **settings)
    assert captions.tolist() == model.caption_tokens([other, clip], **settings).tolist()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ([144], r"expected some of the patches 0 to 143 of the clip, each once, got 1 from 144 to 144"),
        ([1, 1], "each once, got 2 from 1 to 1"),
        ([0.5], "expected indices"),
        ([], "expected indices"),
    ],
)
def test_impossible_kept_patches(kept, said, model, noise):
    with pytest.raises(ValueError, match=said):
        model.embed_audio([noise(48_000)], kept_patches=[np.array(kept)])


def test_kept_patches_of_other_clips(model, noise):
    with pytest.raises(ValueError, match="expected one entry for each of 1 clips, got 2"):
        model.caption_tokens([noise(16_000)], kept_patches=[None, None])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "best"}, "unknown method 'best'; expected one of 'greedy', 'sample', 'beam'"),
        ({"max_tokens": 101}, "max_tokens=101 is not possible; expected 2 to 100"),
        ({"temperature": 0.5}, "temperature=0.5 goes with method='sample' only"),
        ({"method": "sample", "temperature": 0.0}, "temperature=0.0 is not possible"),
        ({"method": "sample", "beams": 2}, "beams=2 goes with method='beam' only"),
        ({"method": "beam", "beams": 0}, "beams=0 is not possible; expected 1 to 64"),
        ({"method": "beam", "length_power": -1.0}, "length_power=-1.0 is not possible"),
    ],
)
def test_impossible_settings(settings, said):
    with pytest.raises(ValueError, match=said):
        Generation(**settings)


def test_settings_have_the_published_defaults():
    assert Generation("sample").temperature == 0.1
    assert (Generation("beam").beams, Generation("beam").length_power) == (4, 1.0)
    assert Generation().max_tokens == 100


def test_keys_of_another_form(model, sounds):
    with pytest.raises(ValueError, match=r"expected uint32 of shape \(1, 2\), got int64 of shape \(1, 2\)"):
        model.caption_tokens(sounds[:1], "sample", keys=np.zeros((1, 2), np.int64))


def test_damaged_audio(model):
    with pytest.raises(ValueError, match="expected finite samples, got nan at sample 3 of clip 0"):
        model.caption_tokens([np.array([0, 0, 0, np.nan], np.float32)])


def test_texts_for_teacher_forcing_go_with_the_clips(model, sounds):
    with pytest.raises(ValueError, match="expected one text for each of 1 clips, all of one length, got 2"):
        model.caption_logits(sounds[:1], [[0, 5], [0, 6]])
