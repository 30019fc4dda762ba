"""The text side's outputs against those of the published inference code."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden_cases import EXACT, FOLDER, load_case, relative_error
from repeats import first

from hear_cacophony.checkpoint.parameters import expected_text_shapes
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.engine.caption_keys import caption_keys
from hear_cacophony.engine.devices import Devices
from hear_cacophony.engine.embedding import EmbeddingModel
from hear_cacophony.engine.options import Options
from hear_cacophony.model.stages import CACOPHONY, TextConfig

CAPTIONED = ("03_clicks_80000", "06_mix_160000")
SURE = 1e-3
"""Margin of a logit above which its rank is certain."""


@pytest.fixture(scope="module")
def tiny():
    with np.load(FOLDER / "text/tiny.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def base():
    with np.load(FOLDER / "text/base.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def full_size_model(full_size_text_checkpoint):
    checkpoint = full_size_text_checkpoint
    return AudioTextModel(EmbeddingModel(checkpoint, Options(), Devices([0])), checkpoint.text, lambda: None)


def text_cases(golden):
    return sorted(key.removesuffix("/ids") for key in golden if key.startswith("text/") and key.endswith("/ids"))


def clips(*names):
    return [load_case(name)["audio"] for name in names]


def check_texts(model, golden, cases):
    embedded = model.embed_tokens([golden[f"{case}/ids"] for case in cases])
    for ours, case in zip(embedded, cases, strict=True):
        assert relative_error(ours, golden[f"{case}/embedding"]) < EXACT, case


def check_ids(ours, golden, margin):
    """Equal up to the first position whose margin says nothing."""
    unsure = np.flatnonzero(margin < SURE)
    sure = unsure[0] + 1 if len(unsure) else len(golden)
    assert sure > 10
    assert ours[:sure].tolist() == golden[:sure].tolist()


def test_names_and_shapes_of_the_parameters_are_the_published_ones():
    layout = json.loads((FOLDER / "layout.json").read_text())["Cacophony"]
    published = {path: tuple(shape) for path, (shape, _) in layout.items() if path.startswith(CACOPHONY.text_paths)}
    assert expected_text_shapes(CACOPHONY, TextConfig()) == published


@pytest.mark.parametrize("lengths", first(1, [(2, 3, 31, 100), (5, 8, 12, 77)]), ids=str)
def test_tiny_text_embeddings(lengths, tiny, tiny_text_model):
    cases = [case for case in text_cases(tiny) if len(tiny[f"{case}/ids"]) in lengths]
    assert len(cases) == 4
    check_texts(tiny_text_model, tiny, cases)


def test_tiny_logits(tiny, tiny_text_model):
    model = tiny_text_model
    audio = model.embed_audio(clips(*tiny["zs/clips"]))
    texts = model.embed_tokens([tiny[f"text/{case}/ids"] for case in tiny["zs/texts"]])
    assert model.logit_scale == tiny["logit_scale"]
    assert relative_error(np.exp(model.logit_scale) * model.similarities(audio, texts), tiny["zs/logits"]) < EXACT


def test_tiny_teacher_forced_logits(tiny, tiny_text_model):
    ids = np.stack([tiny["caption/teacher_ids"]] * 2)
    ours = tiny_text_model.caption_logits(clips(*CAPTIONED), ids)
    for logits, clip in zip(ours, CAPTIONED, strict=True):
        assert relative_error(logits, tiny[f"caption/{clip}/teacher/logits"]) < EXACT


@pytest.mark.parametrize("clip", first(1, CAPTIONED))
def test_tiny_greedy_captions(clip, tiny, tiny_text_model):
    (ids,) = tiny_text_model.caption_tokens(clips(clip), max_tokens=24)
    check_ids(ids, tiny[f"caption/{clip}/greedy/ids"], tiny[f"caption/{clip}/greedy/margin"])


@pytest.mark.parametrize("captioned", first(1, [CAPTIONED[1:], CAPTIONED]), ids=len)
def test_tiny_sampled_captions(captioned, tiny, tiny_text_model):
    keys = np.stack([tiny[f"caption/{clip}/sampled/key"] for clip in captioned])
    ours = tiny_text_model.caption_tokens(clips(*captioned), "sample", keys=keys)
    for ids, clip in zip(ours, captioned, strict=True):
        check_ids(ids, tiny[f"caption/{clip}/sampled/ids"], tiny[f"caption/{clip}/sampled/margin"])


def test_published_keys(tiny):
    keys = np.stack([tiny[f"caption/{clip}/sampled/key"] for clip in CAPTIONED])
    assert np.array_equal(caption_keys(range(2), seed=42), keys)


def test_nothing_follows_the_end_token(tiny, tiny_text_model):
    clip = CAPTIONED[0]
    key, end = tiny[f"caption/{clip}/sampled/key"], int(tiny[f"caption/{clip}/stopped/eos_id"])
    (ours,) = tiny_text_model.caption_tokens(clips(clip), "sample", keys=key[None], end_token=end)
    golden = tiny[f"caption/{clip}/stopped/ids"]
    assert ours.tolist() == golden.tolist()
    assert golden[7:].max() == 0


@pytest.mark.repeats  # the tiny model's are compared in full, by the same code
def test_full_size_text_embeddings(base, full_size_model):
    check_texts(full_size_model, base, ["text/t1_len3", "text/t4_len14", "text/t7_len100"])


@pytest.mark.repeats  # likewise
def test_full_size_teacher_forced_logits(base, full_size_model):
    clip = CAPTIONED[0]
    (logits,) = full_size_model.caption_logits(clips(clip), base["caption/teacher_ids"][None])
    ours = np.take_along_axis(logits, base[f"caption/{clip}/teacher/top_ids"], axis=1)
    assert relative_error(ours, base[f"caption/{clip}/teacher/top_logits"]) < EXACT
    summed = np.log(np.exp(logits.astype(np.float64)).sum(axis=1))
    assert relative_error(summed, base[f"caption/{clip}/teacher/logsumexp"]) < EXACT


@pytest.mark.repeats  # the tiny ones are sampled by the same code, from logits as in the test above
def test_full_size_sampled_caption(base, full_size_model):
    clip = CAPTIONED[0]
    key = base[f"caption/{clip}/sampled/key"]
    (ours,) = full_size_model.caption_tokens(clips(clip), "sample", keys=key[None], max_tokens=24)
    check_ids(ours, base[f"caption/{clip}/sampled/ids"], base[f"caption/{clip}/sampled/margin"])
