"""Points of an event task that is embedded: its events, each by the mean of the embeddings along it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from hear_cacophony.files.json_file import read_json

MOST_EVENTS = 20_000
"""Most events of a task that are drawn; of more, as many at random."""

SEED = 0

_MS = 1000


@dataclasses.dataclass(frozen=True)
class Event:
    """An event of a clip.

    Attributes:
        clip: its name.
        label: of the event.
        start, end: in milliseconds.
    """

    clip: str
    label: str
    start: float
    end: float

    @property
    def span(self) -> tuple[float, float]:
        """The same in seconds."""
        return self.start / _MS, self.end / _MS


def events_of(labels: Mapping[str, list[Any]]) -> list[Event]:
    """The events of a split, from its file.

    Raises:
        ValueError: something else than events.
    """
    try:
        return [
            Event(clip, str(each["label"]), float(each["start"]), float(each["end"]))
            for clip, listed in labels.items()
            for each in listed
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"expected events with label, start and end ({error!r})") from error


def chosen(counts: list[int]) -> list[np.ndarray]:
    """The numbers of the events of each split that are drawn: all, or `MOST_EVENTS` of all splits."""
    total = sum(counts)
    drawn = np.arange(total)
    if total > MOST_EVENTS:
        drawn = np.sort(np.random.default_rng(SEED).choice(total, MOST_EVENTS, replace=False))
    ends = np.cumsum(counts)
    return [
        drawn[(drawn >= end - count) & (drawn < end)] - (end - count) for count, end in zip(counts, ends, strict=True)
    ]


def event_embeddings(folder: pathlib.Path, split: str, frames: np.ndarray, events: list[Event]) -> np.ndarray:
    """The mean of the embeddings from start to end of each event, or the nearest one where there is none.

    Args:
        folder: of the embedded task.
        split: the split.
        frames: its embeddings along time, shape (frames, size).
        events: of it.

    Returns:
        Shape (events, size), float32.

    Raises:
        ValueError: the frames have no times, or an event is of a clip that has no frames.
    """
    file = folder / f"{split}.filename-timestamps.json"
    try:
        places = [(pathlib.PurePath(name).name, float(time)) for name, time in read_json(file)]
        if len(places) != len(frames):
            raise ValueError(f"{len(places)} times of {len(frames)} embeddings")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{file}: expected the time of each embedding ({error}); embed the task again") from error
    rows: dict[str, list[int]] = {}
    for row, (clip, _) in enumerate(places):
        rows.setdefault(clip, []).append(row)
    times = np.array([time for _, time in places])
    result = np.empty((len(events), frames.shape[1]), np.float32)
    for i, event in enumerate(events):
        if event.clip not in rows:
            raise ValueError(f"{file}: expected embeddings of {event.clip}, which has events, found none")
        of_clip = np.array(rows[event.clip])
        when = times[of_clip]
        inside = of_clip[(when >= event.start) & (when <= event.end)]
        if not len(inside):
            inside = of_clip[[np.abs(when - (event.start + event.end) / 2).argmin()]]
        result[i] = frames[inside].mean(axis=0)
    return result
