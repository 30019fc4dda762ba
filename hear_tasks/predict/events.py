"""Events of many clips in arrays, made from and turned into heareval's lists of events."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Event = Mapping[str, Any]
"""An event as in a task's files: "label", and "start" and "end" in milliseconds."""


@dataclasses.dataclass(frozen=True)
class Events:
    """Events of clips; the arrays have one element for each event, in any order.

    Attributes:
        clips: names of the clips, those without events too.
        labels: texts of the labels.
        clip: number of each event's clip in `clips`, int64 with shape [n_events].
        label: number of its label in `labels`, int64 with shape [n_events].
        start: its start in milliseconds, float64 with shape [n_events].
        end: its end in milliseconds, float64 with shape [n_events].
    """

    clips: tuple[str, ...]
    labels: tuple[str, ...]
    clip: NDArray[np.int64]
    label: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]

    @classmethod
    def from_lists(cls, lists: Mapping[str, Sequence[Event]]) -> Events:
        """The events of a split's file: for each clip by name, its list of events.

        Raises:
            ValueError: an event lacks a key, or a time of it is not a number.
        """
        names = tuple(lists)
        odd = next((name for name, listed in lists.items() if not isinstance(listed, Sequence)), None)
        if odd is not None:
            raise ValueError(f"expected a list of events of {odd}, got {lists[odd]!r}; was the task prepared in full?")
        events = [event for listed in lists.values() for event in listed]
        clips = [number for number, listed in enumerate(lists.values()) for _ in listed]
        try:
            texts = [str(event["label"]) for event in events]
        except (KeyError, TypeError):
            raise _fault_of_form(events, clips, names) from None
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        return cls(
            clips=names,
            labels=tuple(numbers),
            clip=np.array(clips, dtype=np.int64),
            label=np.array([numbers[text] for text in texts], dtype=np.int64),
            start=_read_times(events, "start", clips, names),
            end=_read_times(events, "end", clips, names),
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

    def __len__(self) -> int:
        return len(self.clip)


def _read_times(events: Sequence[Event], key: str, clips: Sequence[int], names: Sequence[str]) -> NDArray[np.float64]:
    try:
        times = [event[key] for event in events]
    except KeyError:
        raise _fault_of_form(events, clips, names) from None
    if not all(issubclass(kind, int | float) for kind in set(map(type, times))):
        raise _fault_of_form(events, clips, names)
    return np.array(times, dtype=np.float64)


def _fault_of_form(events: Sequence[Event], clips: Sequence[int], names: Sequence[str]) -> ValueError:
    """The error that names the first event that is not of the right form."""
    clip, event = next((names[clip], event) for clip, event in zip(clips, events, strict=True) if not _is_event(event))
    form = '{"label": LABEL, "start": MS, "end": MS} with times in numbers'
    return ValueError(f"expected events of {clip} to be {form}, got {event!r}; was the task prepared in full?")


def _is_event(event: object) -> bool:
    return (
        isinstance(event, Mapping)
        and "label" in event
        and all(isinstance(event.get(key), int | float) for key in ("start", "end"))
    )
