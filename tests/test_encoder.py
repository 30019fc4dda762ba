from __future__ import annotations

import numpy as np
import pytest
from golden_cases import relative_error

from hear_cacophony.model.attention import HEADS_TOGETHER, QUERY_BLOCK, _attend_in_blocks, attend
from hear_cacophony.model.encoder import time_embedding


@pytest.mark.parametrize("attend", [attend, _attend_in_blocks])
@pytest.mark.parametrize("patches", [24, HEADS_TOGETHER + 1, QUERY_BLOCK, QUERY_BLOCK + 1, 2 * QUERY_BLOCK + 200])
def test_attention_is_the_softmax_over_unmasked_keys_however_long_the_clip(attend, patches):
    random = np.random.default_rng(patches)
    query, key, value = random.standard_normal((3, 2, patches, 2, 8)).astype(np.float32)
    mask = np.arange(patches) < np.array([[patches], [patches * 2 // 3]])
    logits = np.einsum("bqhd,bkhd->bhqk", query, key, dtype=np.float64) / np.sqrt(8)
    weights = np.exp(logits) * mask[:, None, None, :]
    expected = np.einsum("bhqk,bkhd->bqhd", weights / weights.sum(-1, keepdims=True), value)
    assert relative_error(attend(query, key, value, mask), expected) < 1e-6


def test_time_embedding_holds_all_sines_then_all_cosines():
    embedding = time_embedding(5, 8)
    for t in range(5):
        angles = [t / 10_000 ** (i / 4) for i in range(4)]
        assert np.allclose(embedding[t], [*np.sin(angles), *np.cos(angles)], atol=1e-7)
