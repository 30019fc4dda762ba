"""A handful of compiled shapes for clips of every length."""

from __future__ import annotations

import bisect
import collections
import dataclasses
from collections.abc import Callable, Iterator, Sequence

from hear_cacophony.engine.windows import WINDOW_STEPS

BUCKETS = (2, 4, 6, 8, 11, 14, 18, 23, 30, 39, 50, 65, 85, 111, 144, WINDOW_STEPS)
"""Compiled window lengths in time steps, each 1.3 times the one before: 12% of padding on average."""

SPARSE_BUCKETS = (8, 18, 39, 85, WINDOW_STEPS)
"""Those of them for a few windows at a time: compiling takes longer than they win by less padding."""

FEW_WINDOWS = 4
"""So many windows at once are few."""

LONG_BUCKET = 32
"""Longer windows are padded to a multiple of this: whole clips of the published protocol, or longer windows."""

REUSES = 8
"""How often a batch may be filled up to a size that is compiled already, before its own is compiled."""


def bucket_steps(steps: int, buckets: Sequence[int] = BUCKETS) -> int:
    """The compiled length, in time steps, of a window with `steps` time steps."""
    if steps > WINDOW_STEPS:
        return -(-steps // LONG_BUCKET) * LONG_BUCKET
    return buckets[bisect.bisect_left(buckets, steps)]


def sparse_bucket_steps(steps: int) -> int:
    """The compiled length where windows come a few at a time: of five that there are up to 30 s."""
    return bucket_steps(steps, SPARSE_BUCKETS)


@dataclasses.dataclass(frozen=True)
class Batch:
    """Windows that go through the encoder together.

    `windows` indexes the windows that were given; `size` >= len(windows) is the compiled batch size,
    `steps` the compiled length.
    """

    windows: tuple[int, ...]
    size: int
    steps: int


def even_batches(
    window_steps: Sequence[int], tokens_per_step: int, tokens_per_batch: int, multiple: int = 1
) -> Iterator[Batch]:
    """Group windows of similar lengths into batches, longest first, with one shape for each bucket.

    The windows of a bucket are shared out evenly, so that the last batch is hardly padded. Windows of few lengths
    are not padded at all. The batches depend on the arguments alone.

    Args:
        window_steps: time steps of each window.
        tokens_per_step: patches that the encoder sees per time step of a window.
        tokens_per_batch: the most patches in a batch (a single window for each device may hold more).
        multiple: number that the sizes of batches are multiples of: the devices that share them.
    """

    few = len(set(window_steps)) <= len(BUCKETS)
    for steps, windows in _by_bucket(window_steps, (lambda steps: steps) if few else bucket_steps):
        full = _full_size(steps * tokens_per_step, tokens_per_batch, multiple)
        batches = _ceil(len(windows), full)
        size = _ceil(_ceil(len(windows), batches), multiple) * multiple
        for first in range(0, len(windows), size):
            yield Batch(tuple(windows[first : first + size]), size, steps)


class CompiledSizes:
    """Batches for clips that come a few at a time, in shapes that are compiled already where possible.

    A smaller batch, such as the last one of a task, is filled up to the size of a larger one seen before;
    one that keeps coming gets a size of its own. A few windows at a time share five lengths, so that a
    single clip of a new length hardly ever waits for a compilation.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, set[int]] = collections.defaultdict(set)
        self._reuses: collections.Counter[tuple[int, int]] = collections.Counter()
        self._few_reuses: collections.Counter[int] = collections.Counter()

    def batches(
        self,
        window_steps: Sequence[int],
        tokens_per_step: int,
        tokens_per_batch: int,
        multiple: int = 1,
        compiled: Callable[[int], int] | None = None,
    ) -> Iterator[Batch]:
        """Group windows of similar lengths into batches.

        Arguments as in `even_batches`, and `compiled`, which gives the compiled length of a window's; unless
        given, a few windows have fewer lengths than many.
        """
        if compiled is None:
            compiled = self._length_of_few if len(window_steps) <= FEW_WINDOWS else bucket_steps
        for steps, windows in _by_bucket(window_steps, compiled):
            full = _full_size(steps * tokens_per_step, tokens_per_batch, multiple)
            for first in range(0, len(windows), full):
                chunk = tuple(windows[first : first + full])
                wanted = _power_of_two_from(_ceil(len(chunk), multiple)) * multiple
                yield Batch(chunk, self._choose(steps, min(full, wanted)), steps)

    def _length_of_few(self, steps: int) -> int:
        """One of five lengths, but for the last windows after many: they fill up a shape that is compiled."""
        finer = bucket_steps(steps)
        if finer not in self._sizes or self._few_reuses[finer] >= REUSES:
            return sparse_bucket_steps(steps)
        self._few_reuses[finer] += 1
        return finer

    def _choose(self, steps: int, wanted: int) -> int:
        larger = [size for size in self._sizes[steps] if size >= wanted]
        if larger and (min(larger) == wanted or self._reuses[steps, wanted] < REUSES):
            self._reuses[steps, wanted] += 1
            return min(larger)
        self._sizes[steps].add(wanted)
        return wanted


def _by_bucket(window_steps: Sequence[int], compiled: Callable[[int], int]) -> list[tuple[int, list[int]]]:
    """Indices of the windows of each compiled length, longest first."""
    buckets: dict[int, list[int]] = {}
    for window, steps in enumerate(window_steps):
        buckets.setdefault(compiled(steps), []).append(window)
    return sorted(buckets.items(), reverse=True)


def _full_size(tokens_per_window: int, tokens_per_batch: int, multiple: int) -> int:
    """Windows in a batch that is as large as may be: a power of two for each of `multiple` devices."""
    windows = max(1, tokens_per_batch // (tokens_per_window * multiple))
    return (1 << (windows.bit_length() - 1)) * multiple


def _power_of_two_from(count: int) -> int:
    return 1 << (count - 1).bit_length()


def _ceil(count: int, divisor: int) -> int:
    return -(-count // divisor)
