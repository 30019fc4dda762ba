"""Windows of equal length, cut from clips a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch


def segment_starts(num_samples: int, length: int) -> list[int]:
    """First samples of as few segments of `length` as cover a clip, evenly spread from its start to its end."""
    count = max(1, -(-num_samples // length))
    if count == 1:
        return [0]
    return [i * (num_samples - length) // (count - 1) for i in range(count)]


def count_timestamps(num_samples: int, hop_ms: int, sample_rate: int) -> int:
    """Multiples of `hop_ms`, 0 included, that lie before the end of a clip."""
    return -(-num_samples * 1000 // (hop_ms * sample_rate))


def window_starts(count: int, length: int, hop_ms: int, sample_rate: int) -> list[int]:
    """First samples of the windows of `length` around the multiples of `hop_ms`; the first ones are negative.

    Each is computed from its number, so that rounding to a sample does not add up.
    """
    return [i * hop_ms * sample_rate // 1000 - length // 2 for i in range(count)]


def cut_windows(clips: torch.Tensor, starts: Sequence[int], length: int, at_once: int) -> Iterator[torch.Tensor]:
    """Cut the same windows from all clips.

    Args:
        clips: shape (clips, samples).
        starts: first sample of each window; it may begin before the clip and end after it, where there is silence.
        length: samples in a window.
        at_once: windows to hold in memory at once.

    Yields:
        Shape (windows, length), up to `at_once` windows: all of the first clip, then of the second, and so on.
    """
    before = max(0, -min(starts))
    after = max(0, max(starts) + length - clips.shape[1])
    padded = torch.nn.functional.pad(clips, (before, after))
    offsets = torch.tensor(starts, device=clips.device) + before
    samples = torch.arange(length, device=clips.device)
    for numbers in torch.arange(len(clips) * len(starts), device=clips.device).split(at_once):
        clip = numbers // len(starts)
        start = offsets[numbers % len(starts)]
        yield padded[clip[:, None], start[:, None] + samples]
