"""Events of many clips in arrays, from and to heareval's lists, and the frames that predictions of clips are for."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hear_tasks.text_files import is_number

Event = Mapping[str, Any]
"""An event as in a task's files: "label", and "start" and "end" in milliseconds."""


@dataclasses.dataclass(frozen=True)
class Events:
    """Events of clips; the arrays have one element for each event, in any order.

    Attributes:
        clips: names of the clips, those without events too.
        labels: texts of the labels; None, among aligned events alone, for one that says nothing.
        clip: number of each event's clip in `clips`, int64 with shape [n_events].
        label: number of its label in `labels`, int64 with shape [n_events].
        start: its start in milliseconds, float64 with shape [n_events].
        end: its end in milliseconds, float64 with shape [n_events].
    """

    clips: tuple[str, ...]
    labels: tuple[str | None, ...]
    clip: NDArray[np.int64]
    label: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]

    @classmethod
    def from_lists(cls, lists: Mapping[str, Sequence[Event]]) -> Events:
        """The events of a split's file: for each clip by name, its list of events.

        Raises:
            ValueError: a clip has no list, an event lacks a key, or a time of it is not a number.
        """
        names = tuple(lists)
        odd = next(
            (name for name, each in lists.items() if isinstance(each, str) or not isinstance(each, Sequence)), None
        )
        if odd is not None:
            raise ValueError(f"expected a list of events of {odd}, got {lists[odd]!r}; was the task prepared in full?")
        events = [event for listed in lists.values() for event in listed]
        clips = [number for number, listed in enumerate(lists.values()) for _ in listed]
        bad = next((number for number, event in enumerate(events) if not _is_event(event)), None)
        if bad is not None:
            form = '{"label": LABEL, "start": MS, "end": MS} with times in numbers'
            raise ValueError(
                f"expected events of {names[clips[bad]]} to be {form}, got {events[bad]!r}; "
                "was the task prepared in full?"
            )
        texts = [str(event["label"]) for event in events]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        return cls(
            clips=names,
            labels=tuple(numbers),
            clip=np.array(clips, dtype=np.int64),
            label=np.array([numbers[text] for text in texts], dtype=np.int64),
            start=np.array([event["start"] for event in events], dtype=np.float64),
            end=np.array([event["end"] for event in events], dtype=np.float64),
        )

    @classmethod
    def none(cls, clips: tuple[str, ...]) -> Events:
        """No event in these clips."""
        numbers, times = np.zeros(0, dtype=np.int64), np.zeros(0)
        return cls(clips, (), numbers, numbers, times, times)

    def to_lists(self) -> dict[str, list[dict[str, Any]]]:
        """For each clip by name its events, in the order that they have here."""
        lists: dict[str, list[dict[str, Any]]] = {clip: [] for clip in self.clips}
        for clip, label, start, end in zip(self.clip, self.label, self.start, self.end, strict=True):
            lists[self.clips[clip]].append({"label": self.labels[label], "start": start, "end": end})
        return lists

    @property
    def onset(self) -> NDArray[np.float64]:
        """The starts in seconds."""
        return self.start / 1000.0

    @property
    def offset(self) -> NDArray[np.float64]:
        """The ends in seconds."""
        return self.end / 1000.0

    @property
    def group(self) -> NDArray[np.int64]:
        """A number for each event, the same for events of one clip and label."""
        return self.clip * len(self.labels) + self.label

    def __getitem__(self, index: NDArray[Any]) -> Events:
        arrays = {name: getattr(self, name)[index] for name in ("clip", "label", "start", "end")}
        return dataclasses.replace(self, **arrays)

    def __len__(self) -> int:
        return len(self.clip)


def _is_event(event: object) -> bool:
    return (
        isinstance(event, Mapping)
        and "label" in event
        and is_number(event.get("start"))
        and is_number(event.get("end"))
    )


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
            raise ValueError(f"expected finite timestamps, got {times[row]} in {filenames[row]}")
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
