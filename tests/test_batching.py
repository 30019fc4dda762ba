from __future__ import annotations

import numpy as np

from hear_cacophony.batching import bucket_steps, make_batches
from hear_cacophony.windows import WINDOW_STEPS


def test_few_buckets_and_little_padding():
    steps = np.random.default_rng(0).integers(1, WINDOW_STEPS + 1, 2000)
    buckets = np.array([bucket_steps(s) for s in steps.tolist()])
    assert np.all(buckets >= steps)
    assert len({bucket_steps(s) for s in range(1, WINDOW_STEPS + 1)}) <= 16
    assert steps.sum() / buckets.sum() > 0.85


def test_longest_window_is_not_padded():
    assert bucket_steps(WINDOW_STEPS) == WINDOW_STEPS


def test_batches_hold_every_row_once_and_keep_to_the_budget():
    steps = np.random.default_rng(1).integers(1, WINDOW_STEPS + 1, 300).tolist()
    batches = list(make_batches(steps, tokens_per_step=8, tokens_per_batch=4096))
    assert sorted(row for batch in batches for row in batch.rows) == list(range(300))
    for batch in batches:
        assert all(steps[row] <= batch.steps for row in batch.rows)
        assert len(batch.rows) <= batch.size
        assert batch.size == 1 or batch.size * batch.steps * 8 <= 4096


def test_a_row_larger_than_the_budget_goes_alone():
    (batch,) = make_batches([750], tokens_per_step=8, tokens_per_batch=4096)
    assert (batch.rows, batch.size, batch.steps >= 750) == ((0,), 1, True)
