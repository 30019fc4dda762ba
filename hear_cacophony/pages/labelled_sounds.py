"""Pages of sounds that were labelled: the labels of each, or their scores along its time."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.pages.blocks import Column, Heading, Table, Text
from hear_cacophony.pages.sound_list import write_sound_list
from hear_cacophony.progress import clock
from hear_cacophony.sounds.labelled import Labelled

MOST_LANES = 12
"""Labels whose scores along time are drawn below a sound."""

_DIGITS = 4
_SECONDS = (Column("from, s", "number"), Column("to, s", "number"))

Best = Sequence[Sequence[tuple[int, str, float]]]
"""Rank, label and score of the labels to show, as `Labelled.best` gives them."""


def write_labelled_sounds(
    file: pathlib.Path, facts: Sequence[tuple[str, str]], labelled: Labelled, shown: Best, sort: str | None
) -> None:
    """Write the page of sounds with their labels.

    Args:
        file: the page.
        facts: what was done, in pairs of a name and a text.
        labelled: the sounds.
        shown: the labels to show of each.
        sort: the label that they are sorted by, whose scores have a column of their own.

    Raises:
        ModuleNotFoundError, OSError, ValueError: see `check_page`.
    """
    labels = list(labelled.labels)
    columns = [Column("labels", "ranked", labels=labels)]
    cells: list[list[Any]] = [[_ranked(best, labels)] for best in shown]
    if sort is not None:
        columns.append(Column(sort, "bar"))
        for row, score in zip(cells, labelled.scores[:, labels.index(sort)].tolist(), strict=True):
            row.append(score)
    rows = list(zip(labelled.names, cells, strict=True))
    write_sound_list(file, "Labels of sounds", facts, columns, rows, [_told(labelled.multi)])


def write_labels_along(
    file: pathlib.Path,
    facts: Sequence[tuple[str, str]],
    sounds: Sequence[tuple[Sequence[tuple[float, float]], Labelled, Best]],
    labels: Sequence[str],
    multi: bool,
) -> None:
    """Write the page of sounds with the scores of labels along their time.

    Args:
        file: the page.
        facts: what was done.
        sounds: of each the seconds where its excerpts begin and end, their scores, and the labels to show of each.
        labels: all labels.
        multi: whether scores are similarities.

    Raises:
        ModuleNotFoundError, OSError, ValueError: see `check_page`.
    """
    labels = list(labels)
    low, high = _range([labelled.scores for _, labelled, _ in sounds], multi)
    below = [_lanes(times, labelled, low, high) for times, labelled, _ in sounds]
    highest = [[_highest(labelled, times)] for times, labelled, _ in sounds]
    excerpts = Table(
        [Column("file", wide=True), *_SECONDS, Column("labels", "ranked", labels=labels)],
        [
            [labelled.names[0], start, end, _ranked(best, labels)]
            for times, labelled, shown in sounds
            for (start, end), best in zip(times, shown, strict=True)
        ],
        "excerpts, in the order of time",
    )
    drawn = (
        "Below each spectrogram a row for each label, the lighter, the higher its score at that time: "
        f"from {low:.3f}, dark, to {high:.3f}, the highest of all, yellow."
    )
    if len(labels) > MOST_LANES:
        drawn += f" Of {len(labels)} labels, the {MOST_LANES} that score highest somewhere in the sound."
    write_sound_list(
        file,
        "Labels along time",
        facts,
        [Column("highest, and where")],
        [(labelled.names[0], cells) for (_, labelled, _), cells in zip(sounds, highest, strict=True)],
        [_told(multi), drawn],
        below=below,
        more=[Heading("Excerpts"), excerpts] if sounds else [Text(["No sound could be read."])],
    )


def _told(multi: bool) -> str:
    if multi:
        return (
            "Similarities are cosines of the embeddings of sound and label, from -1 to 1; each label is scored for "
            "itself."
        )
    return "Probabilities sum to 1 over the labels, also where none fits."


def _ranked(best: Sequence[tuple[int, str, float]], labels: list[str]) -> list[list[Any]]:
    return [[labels.index(label), score] for _, label, score in best]


def _range(scores: Sequence[np.ndarray], multi: bool) -> tuple[float, float]:
    """The scores of the darkest and the lightest colour."""
    low = min((float(each.min()) for each in scores), default=0.0) if multi else 0.0
    return low, max((float(each.max()) for each in scores), default=1.0)


def _lanes(times: Sequence[tuple[float, float]], labelled: Labelled, low: float, high: float) -> dict[str, Any]:
    """Scores along time, as cells of sounds take them."""
    order = np.argsort(-labelled.scores.max(axis=0), kind="stable")[:MOST_LANES]
    return {
        "labels": [labelled.labels[i] for i in order],
        "ends": [round(end, 3) for _, end in times],
        "scores": np.round(labelled.scores[:, order].T.astype(float), _DIGITS).tolist(),
        "low": low,
        "high": high,
    }


def _highest(labelled: Labelled, times: Sequence[tuple[float, float]]) -> str:
    """The highest score in a sound, with its label and the excerpt."""
    excerpt, label = divmod(int(np.argmax(labelled.scores)), labelled.scores.shape[1])
    start, end = times[excerpt]
    # The label comes last: one that is written from right to left would turn what follows it.
    return f"{labelled.scores[excerpt, label]:.3f}, {clock(start)} to {clock(end)}: {labelled.labels[label]}"
