"""Of a scene task's page: its clips, the most wrong ones first, and those that models differ on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.commands.sound_options import format_csv
from hear_cacophony.pages import Column, Links, Table, Text
from hear_cacophony.pages.blocks import Block, Heading
from hear_cacophony.printable import as_text
from hear_tasks.report.clip_predictions import Clips, ModelClips, join_clips
from hear_tasks.report.label_blocks import label_names
from hear_tasks.report.predicted import Predicted
from hear_tasks.report.task_sounds import TaskSounds

_MOST_CELLS = 24_000
"""Rows times models that a page holds: of two models 2 to 3 MB."""
MOST_DIFFERING = 300
"""Clips that are listed of those that models differ on."""


def clip_blocks(
    found: Mapping[str, Predicted], sounds: TaskSounds, pictures: int, add: Callable[[str, bytes], str], name: str
) -> list[Block]:
    """The clips of a task, and where models differ.

    Args:
        found: what there is of each model, by its title.
        sounds: of the task.
        pictures: how many of the most wrong clips of each model have one.
        add: adds a file to the pages; see `PageFolder.add`.
        name: of the task, for the file of all clips where the page cannot hold them.
    """
    clips = join_clips(found)
    labels, order = label_names(next(iter(found.values()))), clips.order()
    most = max(1, _MOST_CELLS // len(found))
    shown = order[:most]
    pictured = _pictured(clips, order, pictures)
    blocks: list[Block] = [Heading("Clips")]
    table = Table(
        _columns(clips, labels, sounds.base),
        _rows(clips, shown, sounds, pictured),
        f"clips, the most wrong first (by loss, the cross-entropy{_of_models(clips)}); a spectrogram for the "
        f"{pictures} most wrong of each model{sounds.remark}",
    )
    blocks.append(table)
    if len(order) > most:
        url = add(f"data/{name}-clips.csv", _as_csv(clips, order, labels).encode())
        blocks.insert(1, Text([f"The {most:,} most wrong of {len(order):,} clips are listed; the file has all."]))
        blocks.insert(2, Links([("all clips, as CSV", url)]))
    return [*blocks, *(_difference_blocks(clips, labels, sounds, pictures) if len(found) > 1 else [])]


def _of_models(clips: Clips) -> str:
    return ", mean of the models" if len(clips.models) > 1 else ""


def _pictured(clips: Clips, order: np.ndarray, pictures: int) -> set[int]:
    chosen = set(order[:pictures].tolist())
    for model in clips.models.values():
        chosen.update(np.argsort(-np.nan_to_num(model.loss, nan=-1), kind="stable")[:pictures].tolist())
    return chosen


def _columns(clips: Clips, labels: Sequence[str], base: str) -> list[Column]:
    columns = [Column("clip"), Column("sound", "sound", base=base), Column("labels", "labels", labels=labels)]
    columns.append(Column("right"))
    for title in clips.models:
        columns += [
            Column(f"{title}: predicted", "ranked", labels=labels),
            Column("of its label", "bar"),
            Column("loss", "number"),
        ]
    return columns


def _rows(clips: Clips, numbers: Iterable[int], sounds: TaskSounds, pictured: set[int]) -> list[list[Any]]:
    return [_row(clips, number, sounds, number in pictured) for number in map(int, numbers)]


def _row(clips: Clips, number: int, sounds: TaskSounds, pictured: bool) -> list[Any]:
    split, name = clips.keys[number]
    return [
        clips.names[number],
        sounds.cell(split, name, picture=pictured) if name else None,
        list(clips.labels[number]),
        clips.who_is_right(number),
        *itertools.chain.from_iterable(_cells(model, number) for model in clips.models.values()),
    ]


def _cells(model: ModelClips, number: int) -> list[Any]:
    if not np.isfinite(model.loss[number]):
        return [None, None, None]
    pairs = zip(model.best[number].tolist(), model.best_probabilities[number].tolist(), strict=True)
    ranked = [[label, round(p, 4)] for label, p in pairs if label >= 0]
    own = float(model.probability[number])
    return [ranked, None if np.isnan(own) else round(own, 4), round(float(model.loss[number]), 4)]


def _as_csv(clips: Clips, order: np.ndarray, labels: Sequence[str]) -> str:
    heads = [f"{title}: {what}" for title in clips.models for what in ("predicted", "of its label", "loss")]
    rows = [
        [
            as_text(clips.names[number]),
            "; ".join(labels[label] for label in clips.labels[number]),
            *itertools.chain.from_iterable(
                (labels[model.best[number, 0]], f"{model.probability[number]:.6f}", f"{model.loss[number]:.6f}")
                for model in clips.models.values()
            ),
            clips.who_is_right(number),
        ]
        for number in order.tolist()
    ]
    return format_csv(["clip", "labels", *heads, "right"], rows)


def _difference_blocks(clips: Clips, labels: Sequence[str], sounds: TaskSounds, pictures: int) -> list[Block]:
    """How many clips one model gets right and another wrong, and which."""
    titles = list(clips.models)
    right = {title: clips.models[title].right for title in titles}
    there = {title: np.isfinite(clips.models[title].loss) for title in titles}
    counts = [
        [first, *(_count(right[first] & ~right[other] & there[first] & there[other]) for other in titles)]
        for first in titles
    ]
    columns = [Column("right", wide=True), *(Column(f"{title} wrong", "number", digits=0) for title in titles)]
    differing = _differing(clips)
    probabilities = np.stack([clips.models[title].probability for title in titles])
    gaps = np.nanmax(probabilities[:, differing], axis=0) - np.nanmin(probabilities[:, differing], axis=0)
    order = differing[np.argsort(-gaps, kind="stable")]
    shown = order[:MOST_DIFFERING]
    caption = f"clips that one gets right and another wrong, {len(shown):,} of {len(order):,}, the clearest first"
    return [
        Heading("Models against each other"),
        Table(columns, counts, "clips that the model of the row gets right and that of the column wrong"),
        Table(
            _columns(clips, labels, sounds.base),
            _rows(clips, shown, sounds, set(shown[:pictures].tolist())),
            f"{caption}; search for a model's name to see what it alone gets right",
        ),
    ]


def _count(chosen: np.ndarray) -> int:
    return int(np.count_nonzero(chosen))


def _differing(clips: Clips) -> np.ndarray:
    right = np.stack([model.right for model in clips.models.values()])
    there = np.stack([np.isfinite(model.loss) for model in clips.models.values()])
    labelled = np.array([bool(labels) for labels in clips.labels], bool)
    return np.flatnonzero((right & there).any(axis=0) & (~right & there).any(axis=0) & labelled)
