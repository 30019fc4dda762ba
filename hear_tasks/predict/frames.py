"""The frames of a split's clips: where each clip's predictions stand in time."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Frames:
    """Frames clip by clip, in each clip in the order of time; of two at one time the last row counts.

    Attributes:
        clips: names of the clips, in the order in which the rows come to them.
        rows: the row that holds each frame, int64 with shape [n_frames].
        clip: number of each frame's clip in `clips`, int64 with shape [n_frames], sorted.
        time: milliseconds from the clip's start, float64 with shape [n_frames].
        spacing: mean time between frames of each clip in milliseconds, float64 with shape [n_clips];
            NaN for a clip of one frame.
        n_rows: number of rows, those that do not count too.
    """

    clips: tuple[str, ...]
    rows: NDArray[np.int64]
    clip: NDArray[np.int64]
    time: NDArray[np.float64]
    spacing: NDArray[np.float64]
    n_rows: int

    @classmethod
    def from_rows(cls, filenames: Sequence[str], timestamps: Iterable[float]) -> Frames:
        """The frames of rows of embeddings.

        Args:
            filenames: file of each row; only its last part names the clip.
            timestamps: time of each row in milliseconds.

        Raises:
            ValueError: a time is not finite, or there are not as many files as times.
        """
        times = np.array(timestamps, dtype=np.float64)
        if len(filenames) != len(times):
            raise ValueError(f"expected a file name for each of {len(times)} timestamps, got {len(filenames)}")
        if not np.isfinite(times).all():
            row = int(np.flatnonzero(~np.isfinite(times))[0])
            raise ValueError(f"expected finite timestamps, got {times[row]} in {filenames[row]}; embed the task again")
        names = {filename: pathlib.PurePath(filename).name for filename in dict.fromkeys(filenames)}
        clips = {name: number for number, name in enumerate(dict.fromkeys(names.values()))}
        clip = np.array([clips[names[filename]] for filename in filenames], dtype=np.int64)
        rows = np.lexsort((times, clip))
        is_last = np.ones(len(rows), dtype=bool)
        is_last[:-1] = (np.diff(clip[rows]) != 0) | (np.diff(times[rows]) != 0)
        rows = rows[is_last]
        clip, time = clip[rows], times[rows]
        return cls(tuple(clips), rows, clip, time, _mean_spacing(clip, time, len(clips)), n_rows=len(times))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of frames of each clip."""
        return np.bincount(self.clip, minlength=len(self.clips))


def _mean_spacing(clip: NDArray[np.int64], time: NDArray[np.float64], n_clips: int) -> NDArray[np.float64]:
    bounds = np.searchsorted(clip, np.arange(n_clips + 1))
    clips = [np.diff(time[first:behind]) for first, behind in itertools.pairwise(bounds)]
    return np.array([np.mean(gaps) if len(gaps) else np.nan for gaps in clips])
