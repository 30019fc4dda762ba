from __future__ import annotations

import numpy as np
import pytest

from hear_cacophony.engine.tokens import BUCKETS, MAX_TOKENS, bucket_tokens, check_tokens
from hear_cacophony.model.stages import TextConfig

CONFIG = TextConfig(vocabulary_size=512)


def prompts(count, seed=0):
    """Token ids as of prompts with class names."""
    random = np.random.default_rng(seed)
    return [[0, *random.integers(3, 512, random.integers(5, 13)), 2] for _ in range(count)]


def test_an_embedding_does_not_depend_on_its_batch_mates(tiny_text_model):
    texts = [*prompts(40), [0, 2], [0, *range(10, 108), 2]]
    together = tiny_text_model.embed_tokens(texts)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for i in (0, 17, 40, 41):
        alone = tiny_text_model.embed_tokens([texts[i]])[0]
        assert np.abs(alone - together[i]).max() < 1e-6


def test_a_thousand_prompts_need_one_compilation_for_each_bucket(tiny_text_model):
    model = tiny_text_model.with_options(tiny_text_model.audio.options)  # one that has seen no text
    texts = prompts(1000)
    buckets = {bucket_tokens(len(text)) for text in texts}
    seen = []
    run = model._text_embedder.run

    def noted(members, size, length):
        seen.append((size, length))
        return run(members, size, length)

    model._text_embedder.run = noted
    model.embed_tokens(texts)
    assert len(set(seen)) == len(buckets) == 3
    assert len(seen) < 12


def test_buckets_pad_little():
    lengths = np.arange(2, MAX_TOKENS + 1)
    padded = np.array([bucket_tokens(length) for length in lengths])
    assert (padded >= lengths).all()
    assert (padded - lengths).max() <= 12
    assert {16, 77, 100} <= set(BUCKETS)


@pytest.mark.parametrize(
    ("texts", "error", "said"),
    [
        ([], ValueError, "expected at least one text, got none"),
        ([[0, 2], []], ValueError, r"with 1 to 100 tokens, got \(0,\) in text 1"),
        ([[0] * 101], ValueError, r"got \(101,\) in text 0"),
        ([[[0, 2]]], ValueError, r"got \(1, 2\) in text 0"),
        ([[0, 512]], ValueError, "expected token ids from 0 to 511, got 512 in text 0"),
        ([[-1, 2]], ValueError, "got -1 in text 0"),
        ([[0.0, 2.0]], TypeError, "which are integers, got float64 in text 0"),
    ],
)
def test_impossible_token_ids(texts, error, said):
    with pytest.raises(error, match=said):
        check_tokens(texts, CONFIG)
