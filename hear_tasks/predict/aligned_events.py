"""Predicted events and targets with one numbering of clips and labels, as sed_eval takes them for the same."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hear_tasks.predict.events import Events


@dataclasses.dataclass(frozen=True)
class AlignedEvents:
    """Events of the clips that are scored; the arrays have one element for each event.

    Attributes:
        clips: names of the clips.
        labels: texts of the labels; None for one that says "none" or nothing.
        clip: number of each event's clip.
        label: number of its label in `labels`.
        onset: its start in seconds.
        offset: its end in seconds.
    """

    clips: tuple[str, ...]
    labels: tuple[str | None, ...]
    clip: NDArray[np.int64]
    label: NDArray[np.int64]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def group(self) -> NDArray[np.int64]:
        """A number for each event, the same for events of one clip and label."""
        return self.clip * len(self.labels) + self.label

    def __getitem__(self, index: NDArray[Any]) -> AlignedEvents:
        arrays = {name: getattr(self, name)[index] for name in ("clip", "label", "onset", "offset")}
        return dataclasses.replace(self, **arrays)

    def __len__(self) -> int:
        return len(self.clip)


def align_events(predicted: Events, targets: Events) -> tuple[AlignedEvents, AlignedEvents]:
    """Both with the clips of `predicted`; events of other clips are left out."""
    clips = {name: number for number, name in enumerate(predicted.clips)}
    texts = dict.fromkeys(_read_label(label) for events in (predicted, targets) for label in events.labels)
    labels = {text: number for number, text in enumerate(texts)}
    return _align(predicted, clips, labels), _align(targets, clips, labels)


def _align(events: Events, clips: Mapping[str, int], labels: Mapping[str | None, int]) -> AlignedEvents:
    clip_numbers = np.array([clips.get(_read_clip(name), -1) for name in events.clips], dtype=np.int64)
    label_numbers = np.array([labels[_read_label(label)] for label in events.labels], dtype=np.int64)
    aligned = AlignedEvents(
        clips=tuple(clips),
        labels=tuple(labels),
        clip=clip_numbers[events.clip],
        label=label_numbers[events.label],
        onset=events.start / 1000.0,
        offset=events.end / 1000.0,
    )
    return aligned[aligned.clip >= 0]


def _read_clip(name: str) -> str:
    """The name under which dcase_util 0.2.20 keeps the events of a clip."""
    return name if os.path.isabs(name) else os.path.normpath(name).replace("\\", "/")


def _read_label(label: str) -> str | None:
    """The label under which dcase_util 0.2.20 keeps an event."""
    text = label.strip()
    return None if text.lower() in ("", "none") else text
