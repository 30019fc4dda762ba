from __future__ import annotations

import numpy as np

from hear_cacophony.engine.batches import (
    BUCKETS,
    FEW_WINDOWS,
    REUSES,
    SPARSE_BUCKETS,
    CompiledSizes,
    bucket_steps,
    even_batches,
)
from hear_cacophony.engine.windows import WINDOW_STEPS


def test_few_buckets_and_little_padding():
    steps = np.random.default_rng(0).integers(1, WINDOW_STEPS + 1, 2000)
    buckets = np.array([bucket_steps(s) for s in steps.tolist()])
    assert np.all(buckets >= steps)
    assert len({bucket_steps(s) for s in range(1, WINDOW_STEPS + 1)}) <= 16
    assert steps.sum() / buckets.sum() > 0.85


def test_longest_window_is_not_padded():
    assert bucket_steps(WINDOW_STEPS) == WINDOW_STEPS


def test_batches_hold_every_window_once_and_keep_to_the_budget():
    steps = np.random.default_rng(1).integers(1, WINDOW_STEPS + 1, 300).tolist()
    batches = list(even_batches(steps, tokens_per_step=8, tokens_per_batch=4096))
    assert sorted(window for batch in batches for window in batch.windows) == list(range(300))
    for batch in batches:
        assert all(steps[window] <= batch.steps for window in batch.windows)
        assert len(batch.windows) <= batch.size
        assert batch.size == 1 or batch.size * batch.steps * 8 <= 4096


def test_a_window_larger_than_the_budget_goes_alone():
    (batch,) = even_batches([750], tokens_per_step=8, tokens_per_batch=4096)
    assert (batch.windows, batch.size, batch.steps >= 750) == ((0,), 1, True)


def test_clips_of_all_lengths_need_few_shapes_and_little_padding():
    """2,000 clips from 0.3 to 30 s, log-normally about 5 s as those of FSD50K are."""
    random = np.random.default_rng(2)
    seconds = np.clip(np.exp(random.normal(np.log(5), 1, 2000)), 0.3, 30)
    steps = np.maximum(1, (seconds * 100).astype(int) // 16).tolist()
    for tokens in (2_048, 262_144):
        batches = list(even_batches(steps, tokens_per_step=8, tokens_per_batch=tokens))
        assert len({(batch.size, batch.steps) for batch in batches}) <= 16
        assert sum(steps) / sum(batch.size * batch.steps for batch in batches) > 0.85


def test_batches_are_shared_out_evenly_among_devices():
    batches = list(even_batches([6] * 100, tokens_per_step=8, tokens_per_batch=2048, multiple=3))
    assert [(len(batch.windows), batch.size) for batch in batches] == [(21, 21)] * 4 + [(16, 21)]


def test_a_smaller_batch_is_filled_up_to_a_size_that_is_compiled():
    sizes = CompiledSizes()
    seen = [[batch.size for batch in sizes.batches([6] * windows, 8, 2048)] for windows in (84, 37, 5)]
    assert seen == [[32, 32, 32], [32, 32], [32]]


def test_a_small_batch_that_keeps_coming_gets_its_own_size():
    sizes = CompiledSizes()
    list(sizes.batches([6] * 32, 8, 2048))
    seen = [batch.size for _ in range(REUSES + 2) for batch in sizes.batches([6], 8, 2048)]
    assert seen == [32] * REUSES + [1, 1]


def test_windows_of_few_lengths_are_not_padded():
    batches = list(even_batches([31] * 100 + [25] * 7, tokens_per_step=8, tokens_per_batch=2048))
    assert {batch.steps for batch in batches} == {31, 25}


def test_single_windows_of_every_length_have_five_compiled_lengths():
    sizes = CompiledSizes()
    shapes = set()
    for steps in range(1, WINDOW_STEPS + 1):
        (batch,) = sizes.batches([steps], 8, 2048)
        assert batch.steps >= steps
        shapes.add((batch.size, batch.steps))
    assert shapes == {(1, steps) for steps in SPARSE_BUCKETS}
    assert set(SPARSE_BUCKETS) < set(BUCKETS)


def test_many_windows_have_finer_lengths():
    few, many = [9] * FEW_WINDOWS, [9] * (FEW_WINDOWS + 1)
    assert {batch.steps for batch in CompiledSizes().batches(few, 8, 2048)} == {18}
    assert {batch.steps for batch in CompiledSizes().batches(many, 8, 2048)} == {11}


def test_the_last_few_windows_fill_up_a_shape_of_their_length():
    sizes = CompiledSizes()
    list(sizes.batches([6] * 32, 8, 2048))
    assert [(batch.size, batch.steps) for batch in sizes.batches([5, 6, 40], 8, 2048)] == [(1, 85), (32, 6)]
    seen = [(batch.size, batch.steps) for _ in range(REUSES) for batch in sizes.batches([6], 8, 2048)]
    assert seen[-3:] == [(32, 6), (1, 8), (1, 8)]


def test_sizes_are_powers_of_two_for_each_device():
    seen = [[batch.size for batch in CompiledSizes().batches([6] * n, 8, 2048, multiple=3)] for n in (1, 4, 20, 40)]
    assert seen == [[3], [6], [24], [24, 24]]
