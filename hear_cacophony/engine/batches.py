"""A handful of compiled shapes for clips of every length."""

from __future__ import annotations

import bisect
import collections
import dataclasses
from collections.abc import Callable, Iterator, Sequence

from hear_cacophony.engine.windows import WINDOW_STEPS

BUCKETS = (2, 4, 6, 8, 11, 14, 18, 23, 30, 39, 50, 65, 85, 111, 144, WINDOW_STEPS)
"""Compiled row lengths in time steps, each 1.3 times the one before: 12% of padding on average."""

LONG_BUCKET = 32
"""Longer rows are padded to a multiple of this: whole clips of the published protocol, or longer windows."""

REUSES = 8
"""How often a batch may be filled up to the size of a program that is there, before one of its own is compiled."""


def bucket_steps(steps: int) -> int:
    """The compiled length, in time steps, of a row with `steps` time steps."""
    if steps > WINDOW_STEPS:
        return -(-steps // LONG_BUCKET) * LONG_BUCKET
    return BUCKETS[bisect.bisect_left(BUCKETS, steps)]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows that go through the encoder together.

    `rows` indexes the rows that were given; `size` >= len(rows) is the compiled batch size,
    `steps` the compiled length.
    """

    rows: tuple[int, ...]
    size: int
    steps: int


def even_batches(
    row_steps: Sequence[int], tokens_per_step: int, tokens_per_batch: int, multiple: int = 1
) -> Iterator[Batch]:
    """Group rows of similar lengths into batches, longest first, with one shape for each bucket.

    The rows of a bucket are shared out evenly, so that the last batch is hardly padded. Rows of few lengths
    are not padded at all. The batches depend on the arguments alone.

    Args:
        row_steps: time steps of each row.
        tokens_per_step: patches that the encoder sees per time step of a row.
        tokens_per_batch: the most patches in a batch (a single row for each device may hold more).
        multiple: number that the sizes of batches are multiples of: the devices that share them.
    """

    few = len(set(row_steps)) <= len(BUCKETS)
    for steps, rows in _by_bucket(row_steps, (lambda steps: steps) if few else bucket_steps):
        full = _full_size(steps * tokens_per_step, tokens_per_batch, multiple)
        batches = _ceil(len(rows), full)
        size = _ceil(_ceil(len(rows), batches), multiple) * multiple
        for first in range(0, len(rows), size):
            yield Batch(tuple(rows[first : first + size]), size, steps)


class CompiledSizes:
    """Batches for clips that come a few at a time, in programs that are there already where possible.

    A smaller batch, such as the last one of a task, is filled up to the size of a larger one seen before;
    one that keeps coming gets a program of its own.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, set[int]] = collections.defaultdict(set)
        self._reuses: collections.Counter[tuple[int, int]] = collections.Counter()

    def batches(
        self, row_steps: Sequence[int], tokens_per_step: int, tokens_per_batch: int, multiple: int = 1
    ) -> Iterator[Batch]:
        """Group rows of similar lengths into batches; arguments as in `even_batches`."""
        for steps, rows in _by_bucket(row_steps, bucket_steps):
            full = _full_size(steps * tokens_per_step, tokens_per_batch, multiple)
            for first in range(0, len(rows), full):
                chunk = tuple(rows[first : first + full])
                wanted = _power_of_two_from(_ceil(len(chunk), multiple)) * multiple
                yield Batch(chunk, self._choose(steps, min(full, wanted)), steps)

    def _choose(self, steps: int, wanted: int) -> int:
        larger = [size for size in self._sizes[steps] if size >= wanted]
        if larger and (min(larger) == wanted or self._reuses[steps, wanted] < REUSES):
            self._reuses[steps, wanted] += 1
            return min(larger)
        self._sizes[steps].add(wanted)
        return wanted


def _by_bucket(row_steps: Sequence[int], compiled: Callable[[int], int]) -> list[tuple[int, list[int]]]:
    """Indices of the rows of each compiled length, longest first."""
    buckets: dict[int, list[int]] = {}
    for row, steps in enumerate(row_steps):
        buckets.setdefault(compiled(steps), []).append(row)
    return sorted(buckets.items(), reverse=True)


def _full_size(tokens_per_row: int, tokens_per_batch: int, multiple: int) -> int:
    """Rows in a batch that is as large as may be: a power of two for each of `multiple` devices."""
    rows = max(1, tokens_per_batch // (tokens_per_row * multiple))
    return (1 << (rows.bit_length() - 1)) * multiple


def _power_of_two_from(count: int) -> int:
    return 1 << (count - 1).bit_length()


def _ceil(count: int, divisor: int) -> int:
    return -(-count // divisor)
