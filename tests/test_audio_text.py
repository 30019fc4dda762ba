from __future__ import annotations

import numpy as np
import pytest
from checkpoint_files import tiny_parameters, write_flax
from tokenizer_files import write_tokenizer

from hear_cacophony import CheckpointError, load_audio_text_model, load_embedding_model
from hear_cacophony.checkpoint import convert_checkpoint, read_checkpoint, summarize_checkpoint
from hear_cacophony.commands.info import describe
from hear_cacophony.engine.options import Options
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY


@pytest.fixture(scope="module")
def model(tiny_text_model):
    return tiny_text_model


@pytest.fixture(scope="module")
def sounds():
    random = np.random.default_rng(0)
    return [(0.1 * random.standard_normal(n)).astype(np.float32) for n in (16_000, 15_000)]


# Embeddings and classification


def test_audio_embeddings_are_those_of_the_audio_model(model, sounds, tiny_text_checkpoint):
    audio = load_embedding_model(tiny_text_checkpoint)
    assert np.array_equal(model.embed_audio(sounds), audio.embed_scenes(sounds))


def test_audio_of_another_rate_is_resampled(model, sounds):
    doubled = [np.repeat(sound, 2) for sound in sounds]
    resampled = model.audio.check_clips(doubled, 32_000)
    assert np.array_equal(model.embed_audio(doubled, sample_rate=32_000), model.embed_audio(resampled))
    settings = {"max_tokens": 12}
    captions = model.caption(doubled, sample_rate=32_000, **settings)
    assert captions == model.caption(resampled, **settings)


def test_texts_go_through_the_tokenizer(model):
    texts = ["This is a sound of rain", "dog barks"]
    assert np.array_equal(model.embed_texts(texts), model.embed_tokens(model.tokenizer.encode(texts, 100)))


def test_classification_is_the_softmax_of_scaled_similarities(model, sounds):
    labels = ["dog", "rain", "sound"]
    found = model.classify(sounds, labels)
    texts = model.embed_texts([f"This is a sound of {label}" for label in labels])
    logits = np.exp(model.logit_scale) * model.embed_audio(sounds) @ texts.T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(found.probabilities, expected, atol=1e-6)
    (first, second), _ = found.best(2)
    assert first[0] == labels[expected[0].argmax()]
    assert first[1] == pytest.approx(expected[0].max(), abs=1e-6)
    assert second[1] <= first[1]


def test_several_templates_are_averaged(model):
    labels = ["dog", "rain"]
    one = model.embed_labels(labels, template="This is a sound of {}")
    other = model.embed_labels(labels, template="{} falls")
    both = model.embed_labels(labels, template=["This is a sound of {}", "{} falls"])
    mean = (one + other) / 2
    assert np.allclose(both, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    assert not np.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ("labels", "error", "said"),
    [
        ([], ValueError, "expected at least two labels, got none"),
        (["dog"], ValueError, "got 'dog', whose probability would be 1 whatever the sound"),
        (["dog", "rain", "dog"], ValueError, "expected different labels, got 'dog' more than once"),
        (["dog", " "], ValueError, "expected labels with a word in them, got ' ' as label 1"),
        ("dog,rain", TypeError, "expected a list of labels, got the text 'dog,rain'"),
        (None, TypeError, "expected a list of labels, got NoneType"),
        (["dog", 3], TypeError, "got int as label 1"),
    ],
)
def test_impossible_labels(labels, error, said, model, sounds):
    with pytest.raises(error, match=said):
        model.classify(sounds, labels)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("A sound", r"expected a template with one \{\} for the label"),
        ("{} and {}", r"got '\{\} and \{\}'"),
        ([], "expected at least one template"),
        (["{}!", "{}!"], "one of them twice"),
    ],
)
def test_impossible_templates(template, said, model, sounds):
    with pytest.raises(ValueError, match=said):
        model.classify(sounds, ["dog", "rain"], template=template)


def test_an_empty_text_is_embedded_with_a_warning(model):
    with pytest.warns(UserWarning, match="text 1 of 2 is empty"):
        embedded = model.embed_texts(["dog", ""])
    assert np.array_equal(embedded[1], model.embed_tokens([[0, 2]])[0])


def test_a_text_of_ten_thousand_words_is_cut_with_a_warning(model):
    words = " ".join(["dog"] * 10_000)
    with pytest.warns(UserWarning, match="1 of 1 texts cut at the limit of 12 tokens"):
        embedded = model.embed_texts([words], max_tokens=12)
    vocabulary = model.tokenizer.vocabulary()
    assert np.array_equal(embedded, model.embed_tokens([[0, vocabulary["dog"], *[vocabulary["Ġdog"]] * 9, 2]]))


@pytest.mark.parametrize(
    ("texts", "error", "said"),
    [
        ([], ValueError, "expected at least one text, got none"),
        ("a dog", TypeError, r"did you mean \['a dog'\]"),
        (["a dog", None], TypeError, "got NoneType as text 1"),
        (["dog", "a \ud83d dog"], ValueError, r"text 1: expected whole characters, got the half one '\\ud83d' at 2"),
        (None, TypeError, "expected a list of texts, got NoneType"),
        ({"a dog"}, TypeError, r"expected a list of texts, got set; texts = list\(\.\.\.\)"),
    ],
)
def test_impossible_texts(texts, error, said, model):
    with pytest.raises(error, match=said):
        model.embed_texts(texts)


def test_impossible_limit(model):
    with pytest.raises(ValueError, match="max_tokens=101 is not possible; expected 3 to 100"):
        model.embed_texts(["dog"], max_tokens=101)


def test_similarities_of_other_shapes_or_damaged_values(model):
    good = np.ones((2, 64), np.float32)
    with pytest.raises(ValueError, match=r"expected text embeddings of shape \(count, 64\), got \(2, 32\)"):
        model.similarities(good, good[:, :32])
    bad = good.copy()
    bad[1, 5] = np.nan
    with pytest.raises(ValueError, match="expected finite audio embeddings, got NaN or infinity in embedding 1"):
        model.similarities(bad, good)


def test_damaged_audio(model):
    with pytest.raises(ValueError, match="expected finite samples, got nan at sample 0 of clip 0"):
        model.classify([np.full(16_000, np.nan, np.float32)], ["dog", "rain"])


def test_captions_are_texts(model, sounds):
    ids = model.caption_tokens(sounds, max_tokens=12)
    captions = model.caption(sounds, max_tokens=12)
    assert captions == [model.tokenizer.decode(row[1:].tolist()).strip() for row in ids]


# Options and untrained weights


def test_options_go_to_both_sides(model):
    rough = model.with_options(Options(precision="bfloat16"))
    exact, near = model.embed_tokens([[0, 7, 2]]), rough.embed_tokens([[0, 7, 2]])
    assert rough.audio.options.precision == "bfloat16"
    assert 1e-5 < np.abs(exact - near).max() < 0.02


def test_unknown_option(tiny_text_checkpoint):
    with pytest.raises(TypeError, match="unknown option 'windows'"):
        load_audio_text_model(tiny_text_checkpoint, windows=3)


def test_untrained_weights_have_a_text_side():
    with pytest.warns(UserWarning, match="these weights of Cacophony are untrained"):
        untrained = load_audio_text_model("random-tiny")
    assert (untrained.untrained, untrained.source) == (True, "random-tiny")
    assert untrained.logit_scale == pytest.approx(np.log(1 / 0.07))
    assert untrained.embed_tokens([[0, 50_264, 2]]).shape == (1, 64)


# Tokenizers


def test_tokenizer_beside_the_checkpoint(tmp_path, tiny_text_checkpoint, monkeypatch):
    monkeypatch.delenv("HEAR_CACOPHONY_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "Cacophony.ckpt"
    file.symlink_to(tiny_text_checkpoint)
    lacking = load_audio_text_model(file)
    with pytest.raises(FileNotFoundError, match="no tokenizer found"):
        lacking.embed_texts(["dog"])
    write_tokenizer(tmp_path)
    assert lacking.tokenizer.size == 512


def test_tokenizer_of_another_model(tmp_path, tiny_text_checkpoint):
    model = load_audio_text_model(tiny_text_checkpoint, tokenizer=write_tokenizer(tmp_path, 600))
    with pytest.raises(ValueError, match="expected a vocabulary of 512 entries, as the model has, found 600"):
        model.classify([np.zeros(16_000, np.float32)], ["dog", "rain"])


# Checkpoints


def test_converted_towers_give_the_same(tmp_path, model, tiny_text_checkpoint, sounds):
    file = tmp_path / "all.safetensors"
    convert_checkpoint(tiny_text_checkpoint, file, with_text=True)
    converted = load_audio_text_model(file)
    assert np.array_equal(converted.embed_tokens([[0, 9, 2]]), model.embed_tokens([[0, 9, 2]]))
    assert np.array_equal(converted.embed_audio(sounds), model.embed_audio(sounds))
    assert converted.md5 == read_checkpoint(tiny_text_checkpoint).md5


def test_info_counts_every_tower(tiny_text_checkpoint):
    printed = describe(summarize_checkpoint(tiny_text_checkpoint))
    assert "text side:   hidden_size 64, vocabulary_size 512, positions 514, num_layers 2" in printed
    for line in (
        "text_proj                     4,160  (text side)",
        "logit_scale                       1  (text side)",
    ):
        assert line in printed
    assert "not loaded" not in printed


def test_checkpoints_without_a_text_side(tmp_path, tiny_checkpoints, tiny_text_checkpoint):
    with pytest.raises(CheckpointError, match=r"stage 1 \(AudioMAE\) has no text side; texts and captions need"):
        load_audio_text_model(tiny_checkpoints["audiomae"])
    converted = tmp_path / "audio.safetensors"
    convert_checkpoint(tiny_text_checkpoint, converted)
    for file in (converted, tiny_checkpoints["cacophony"]):
        with pytest.raises(CheckpointError, match=r"convert --towers all Cacophony\.ckpt OUT\.safetensors"):
            load_audio_text_model(file)
    with pytest.raises(CheckpointError, match=r"stage 1 \(AudioMAE\) has no text side"):
        convert_checkpoint(tiny_checkpoints["audiomae"], tmp_path / "all.safetensors", with_text=True)
    assert not (tmp_path / "all.safetensors").exists()


def test_audio_alone_reads_nothing_of_a_damaged_text_side(tmp_path):
    """The stand-in has a single parameter of a text side."""
    file = write_flax(tmp_path / "part.ckpt", tiny_parameters(CACOPHONY), CACOPHONY)
    assert read_checkpoint(file).text is None
    with pytest.raises(CheckpointError) as error:
        load_audio_text_model(file)
    assert "missing: text_module/embeddings/word_embeddings/embedding" in str(error.value)
    assert "misshapen: text_module/pooler/key_proj/kernel: expected (64, 64), found (7, 5)" in str(error.value)


def test_text_parameters_are_checked_when_they_are_read(tmp_path, tiny_text_checkpoint):
    whole = read_checkpoint(tiny_text_checkpoint, with_text=True)
    parameters = {**whole.parameters, **whole.text.parameters}
    bias = parameters["text_proj/bias"].copy()
    bias[3] = np.inf
    file = write_flax(tmp_path / "nan.ckpt", parameters | {"text_proj/bias": bias}, AUDIOMAE)
    read_checkpoint(file)
    with pytest.raises(CheckpointError, match="NaN or infinite values in text_proj/bias"):
        load_audio_text_model(file)
