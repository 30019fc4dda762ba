"""Of an event task's page: its clips with a time line of reference and predicted events, the most wrong first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.pages import Column, Table, Text
from hear_cacophony.pages.blocks import Block, Heading
from hear_tasks.leaderboard import readable_metric
from hear_tasks.report.label_blocks import scored
from hear_tasks.report.predicted import Predicted, Tested
from hear_tasks.report.task_sounds import TaskSounds

_MS = 1000
_ERRORS = ("segment_1s_er",)
"""Scores of which less is better."""


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
                "Below each spectrogram, a row for each label: the events, blue, and those that were predicted, "
                "orange; of many labels, point at a row for its name."
            ]
        ),
    ]
    for title, predicted in found.items():
        columns = [
            Column("clip"),
            Column("sound", "sound", wide=True, base=sounds.base),
            Column("events", "number", digits=0),
            Column("predicted", "number", digits=0),
            Column(readable_metric(metric), "number"),
        ]
        caption = f"{title}: clips, the most wrong first; a spectrogram for the {pictures} most wrong{sounds.remark}"
        blocks.append(Table(columns, _rows(predicted, metric, sounds, pictures), caption))
    return blocks


def _rows(predicted: Predicted, metric: str, sounds: TaskSounds, pictures: int) -> list[list[Any]]:
    clips = [
        (test, clip, _clip_score(test, clip, metric, predicted)) for test in predicted.tests for clip in test.clips
    ]
    sign = -1 if metric in _ERRORS else 1
    clips.sort(key=lambda each: (each[2] is None, sign * (each[2] or 0)))
    return [
        [
            f"{test.split}/{clip}",
            sounds.cell(test.split, clip, picture=number < pictures, events=_events(test, clip)),
            len(test.reference[clip]),
            len(test.predicted.get(clip, ())),
            score,
        ]
        for number, (test, clip, score) in enumerate(clips)
    ]


def _clip_score(test: Tested, clip: str, metric: str, predicted: Predicted) -> float | None:
    found, reference = ({clip: each.get(clip, [])} for each in (test.predicted, test.reference))
    return scored(metric, found, reference, predicted.labels)


def _events(test: Tested, clip: str) -> dict[str, Any]:
    """The events of a clip, as cells of sounds take them."""
    reference, predicted = test.reference[clip], test.predicted.get(clip, [])
    labels = sorted({event["label"] for event in (*reference, *predicted)})
    numbers = {label: number for number, label in enumerate(labels)}
    return {
        "labels": labels,
        "reference": _bars(reference, numbers),
        "predicted": _bars(predicted, numbers),
    }


def _bars(events: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]) -> list[list[Any]]:
    return [[numbers[e["label"]], round(e["start"] / _MS, 3), round(e["end"] / _MS, 3)] for e in events]
