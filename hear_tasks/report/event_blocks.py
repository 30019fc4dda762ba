"""Of an event task's page: its clips with a time line of reference and predicted events, the most wrong first."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.pages import Column, Table, Text
from hear_cacophony.pages.blocks import Block, Heading
from hear_tasks.leaderboard import readable_metric
from hear_tasks.report.clip_blocks import MOST_DIFFERING
from hear_tasks.report.label_blocks import scored
from hear_tasks.report.predicted import Predicted, Tested
from hear_tasks.report.task_sounds import TaskSounds

_MS = 1000
_ERRORS = ("segment_1s_er",)
"""Scores of which less is better."""

_MOST_EVENTS = 150_000
"""Events that a page draws: 3 MB."""

_Listed = Sequence[Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class _Clip:
    split: str
    name: str
    reference: _Listed
    predicted: _Listed
    score: float | None


def event_blocks(found: Mapping[str, Predicted], sounds: TaskSounds, pictures: int) -> list[Block]:
    """The clips of an event task, for each model.

    Args:
        found: what there is of each model, by its title.
        sounds: of the task.
        pictures: how many of the most wrong clips of each model have a spectrogram.
    """
    metric = next(iter(found.values())).metrics[0]
    blocks: list[Block] = [
        Heading("Clips"),
        Text(
            [
                "Along the time of each clip, below its spectrogram where it has one, a row for each label: the "
                "events, blue, and those that were predicted, orange; of many labels, point at a row for its name, or "
                "go to it with the arrow keys."
            ]
        ),
    ]
    listed = {title: _most_wrong_first(predicted, metric) for title, predicted in found.items()}
    for title, clips in listed.items():
        columns = [
            Column("clip"),
            Column("sound", "sound", wide=True, base=sounds.base),
            Column("events", "number", digits=0),
            Column("predicted", "number", digits=0),
            Column(readable_metric(metric), "number"),
        ]
        drawn = max(pictures, _count_drawn(clips, _MOST_EVENTS // len(found)))
        caption = f"{title}: clips, the most wrong first{_told(len(clips), pictures, drawn)}{sounds.remark}"
        blocks.append(Table(columns, _rows(clips, sounds, pictures, drawn), caption))
    return [*blocks, *(_difference_blocks(listed, metric, sounds, pictures) if len(found) > 1 else [])]


def _difference_blocks(
    listed: Mapping[str, Sequence[_Clip]], metric: str, sounds: TaskSounds, pictures: int
) -> list[Block]:
    """The clips that models score unlike on."""
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for title, clips in listed.items():
        for clip in clips:
            if clip.score is not None:
                scores.setdefault((clip.split, clip.name), {})[title] = clip.score
    gaps = {key: max(each.values()) - min(each.values()) for key, each in scores.items()}
    order = sorted((key for key, gap in gaps.items() if gap), key=lambda key: -gaps[key])
    rows = [
        [
            f"{split}/{name}",
            sounds.cell(split, name, picture=number < pictures),
            *(scores[split, name].get(title) for title in listed),
            gaps[split, name],
        ]
        for number, (split, name) in enumerate(order[:MOST_DIFFERING])
    ]
    columns = [Column("clip"), Column("sound", "sound", base=sounds.base)]
    columns += [Column(f"{title}: {readable_metric(metric)}", "number") for title in listed]
    columns.append(Column("difference", "number"))
    caption = f"clips that models differ on, {len(rows):,} of {len(order):,}, the clearest first"
    return [Heading("Models against each other"), Table(columns, rows, caption)]


def _most_wrong_first(predicted: Predicted, metric: str) -> list[_Clip]:
    clips = [
        _Clip(
            test.split,
            clip,
            test.reference[clip],
            test.predicted.get(clip, []),
            _clip_score(test, clip, metric, predicted),
        )
        for test in predicted.tests
        for clip in test.clips
    ]
    return sorted(clips, key=lambda each: -_how_wrong(each, metric))


def _how_wrong(clip: _Clip, metric: str) -> float:
    if clip.score is not None:
        return clip.score if metric in _ERRORS else -clip.score
    return math.inf if clip.predicted and not clip.reference else -math.inf


def _count_drawn(clips: Sequence[_Clip], most: int) -> int:
    """How many clips, from the first on, have no more events than these."""
    events = itertools.accumulate(len(clip.reference) + len(clip.predicted) for clip in clips)
    return sum(count <= most for count in events)


def _told(clips: int, pictures: int, drawn: int) -> str:
    told = f"; a spectrogram for the {pictures} most wrong"
    if clips > pictures:
        told += ", and left out of the others"
    if drawn < clips:
        told += (
            f"; a time line for the {drawn} most wrong, as a page holds no more events unless --pictures asks for more"
        )
    return told


def _rows(clips: Sequence[_Clip], sounds: TaskSounds, pictures: int, drawn: int) -> list[list[Any]]:
    return [
        [
            f"{clip.split}/{clip.name}",
            sounds.cell(
                clip.split, clip.name, picture=number < pictures, events=_time_line(clip) if number < drawn else None
            ),
            len(clip.reference),
            len(clip.predicted),
            clip.score,
        ]
        for number, clip in enumerate(clips)
    ]


def _clip_score(test: Tested, clip: str, metric: str, predicted: Predicted) -> float | None:
    found, reference = ({clip: each.get(clip, [])} for each in (test.predicted, test.reference))
    return scored(metric, found, reference, predicted.labels)


def _time_line(clip: _Clip) -> dict[str, Any]:
    """The events of a clip, as cells of sounds take them."""
    labels = sorted({event["label"] for event in (*clip.reference, *clip.predicted)})
    numbers = {label: number for number, label in enumerate(labels)}
    return {
        "labels": labels,
        "reference": _bars(clip.reference, numbers),
        "predicted": _bars(clip.predicted, numbers),
    }


def _bars(events: _Listed, numbers: Mapping[str, int]) -> list[list[Any]]:
    return [[numbers[e["label"]], round(e["start"] / _MS, 3), round(e["end"] / _MS, 3)] for e in events]
