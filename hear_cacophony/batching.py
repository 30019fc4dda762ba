"""A handful of compiled shapes for clips of every length."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterator, Sequence

from hear_cacophony.windows import WINDOW_STEPS

BUCKETS = (2, 4, 6, 8, 11, 14, 18, 23, 30, 39, 50, 65, 85, 111, 144, WINDOW_STEPS)
"""Compiled row lengths in time steps, each 1.3 times the one before: 12% of padding on average."""

LONG_BUCKET = 32
"""Rows longer than any window, which only the published protocol has, are padded to a multiple of this."""

TOKENS_PER_BATCH = {"cpu": 8_192, "gpu": 262_144, "tpu": 262_144}
"""Patches in one batch: enough for full speed, few enough for memory."""


def bucket_steps(steps: int) -> int:
    """The compiled length, in time steps, of a row with `steps` time steps."""
    if steps > WINDOW_STEPS:
        return -(-steps // LONG_BUCKET) * LONG_BUCKET
    return BUCKETS[bisect.bisect_left(BUCKETS, steps)]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows that go through the encoder together.

    `rows` indexes the rows given to `make_batches`; `size` >= len(rows) is the compiled
    batch size, `steps` the compiled length.
    """

    rows: tuple[int, ...]
    size: int
    steps: int


def make_batches(row_steps: Sequence[int], tokens_per_step: int, tokens_per_batch: int) -> Iterator[Batch]:
    """Group rows of similar lengths into batches.

    Args:
        row_steps: time steps of each row.
        tokens_per_step: patches that the encoder sees per time step of a row.
        tokens_per_batch: the most patches in a batch (a single row may hold more).
    """
    buckets: dict[int, list[int]] = {}
    for row, steps in enumerate(row_steps):
        buckets.setdefault(bucket_steps(steps), []).append(row)
    for steps, rows in sorted(buckets.items()):
        full = _power_of_two_up_to(tokens_per_batch // (steps * tokens_per_step))
        for first in range(0, len(rows), full):
            chunk = tuple(rows[first : first + full])
            yield Batch(chunk, size=1 << (len(chunk) - 1).bit_length(), steps=steps)


def _power_of_two_up_to(limit: int) -> int:
    return 1 << max(0, limit.bit_length() - 1)
