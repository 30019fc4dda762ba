"""Of a task's page: each label with its clips and its score, and which labels are taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.pages import Column, Table, Text
from hear_cacophony.pages.blocks import Block, Heading
from hear_cacophony.pages.confusion import confusion_plot, frequent_pairs
from hear_tasks.predict import average_precisions, score_events
from hear_tasks.report.predicted import Predicted, Tested

Found = Mapping[str, Predicted]
"""What there is of each model, by its title."""

_MOST_PAIRS = 200


def label_blocks(found: Found) -> list[Block]:
    """A table of the labels, and for a multiclass task the confusions."""
    first = next(iter(found.values()))
    if first.is_event:
        return [Heading("Labels"), _event_table(found)]
    table = _accuracy_table(found) if first.is_multiclass else _precision_table(found)
    return [Heading("Labels"), table, *(_confusion_blocks(found) if first.is_multiclass else [])]


def label_names(predicted: Predicted) -> list[str]:
    """The labels, or their numbers where there is no vocabulary."""
    count = max((test.truths.shape[1] for test in predicted.tests), default=0)
    return list(predicted.labels) or [f"label {number}" for number in range(count)]


def _accuracy_table(found: Found) -> Table:
    names = label_names(next(iter(found.values())))
    counts = {title: _confusion(predicted) for title, predicted in found.items()}
    columns = [Column("label", wide=True), Column("clips", "number", digits=0)]
    for title in found:
        columns += [Column(f"{title}: accuracy", "bar"), Column(f"{title}: precision", "bar")]
    clips = np.max([matrix.sum(axis=1) for matrix in counts.values()], axis=0)  # a model may lack some
    rows = [
        [name, int(clips[i]), *(cell for matrix in counts.values() for cell in _accuracies(matrix, i))]
        for i, name in enumerate(names)
    ]
    return Table(
        columns,
        rows,
        "each label with its clips: the part of them that was taken for it (accuracy), and the part of what was taken "
        "for it that has it (precision); empty where there is none",
    )


def _accuracies(matrix: np.ndarray, i: int) -> tuple[float | None, float | None]:
    right, clips, taken = matrix[i, i], matrix[i].sum(), matrix[:, i].sum()
    return (float(right / clips) if clips else None, float(right / taken) if taken else None)


def _confusion(predicted: Predicted) -> np.ndarray:
    """Numbers of clips of all tests, shape (labels, labels): rows are theirs, columns what they were taken for."""
    size = len(label_names(predicted))
    matrix = np.zeros((size, size), np.int64)
    for test in predicted.tests:
        labelled = test.truths.any(axis=1)
        truths, probabilities = test.truths[labelled], test.probabilities[labelled]
        np.add.at(matrix, (truths.argmax(axis=1), probabilities.argmax(axis=1)), 1)
    return matrix


def _confusion_blocks(found: Found) -> list[Block]:
    blocks: list[Block] = [Heading("Confusions")]
    for title, predicted in found.items():
        matrix, names = _confusion(predicted), label_names(predicted)
        if not matrix.sum():
            continue
        accuracy = np.trace(matrix) / matrix.sum()
        head = f"{title}: {accuracy:.1%} of {matrix.sum():,} clips right"
        blocks += [Text([head]), confusion_plot(matrix, names, head), frequent_pairs(matrix, names, title, _MOST_PAIRS)]
    return blocks


def _precision_table(found: Found) -> Table:
    names = label_names(next(iter(found.values())))
    columns = [Column("label", wide=True), Column("clips", "number", digits=0)]
    columns += [Column(f"{title}: average precision", "bar") for title in found]
    clips = np.max([sum(test.truths.sum(axis=0) for test in each.tests) for each in found.values()], axis=0)
    values = [_mean_precisions(predicted.tests) for predicted in found.values()]
    rows: list[list[Any]] = [
        [name, int(clips[i]), *(None if np.isnan(each[i]) else float(each[i]) for each in values)]
        for i, name in enumerate(names)
    ]
    return Table(
        columns,
        rows,
        "each label with its clips and its average precision, with folds the mean over those that have such clips; "
        "empty where no clip has it, which counts as 0 in heareval's mAP",
    )


def _mean_precisions(tests: Sequence[Tested]) -> np.ndarray:
    """The average precision of each label, NaN of one without a clip."""
    values = []
    for test in tests:
        precisions = average_precisions(test.probabilities, test.truths.astype(np.float32))
        values.append(np.where(test.truths.any(axis=0), precisions, np.nan))
    stacked = np.stack(values)
    there = ~np.isnan(stacked)
    with np.errstate(invalid="ignore"):
        return np.where(there, stacked, 0).sum(axis=0) / there.sum(axis=0)


def _event_table(found: Found) -> Table:
    first = next(iter(found.values()))
    metric = first.metrics[0]
    names = list(
        dict.fromkeys(
            [
                *first.labels,
                *(
                    event["label"]
                    for each in found.values()
                    for test in each.tests
                    for listed in test.reference.values()
                    for event in listed
                ),
            ]
        )
    )
    columns = [Column("label", wide=True), Column("events", "number", digits=0)]
    for title in found:
        columns += [Column(f"{title}: predicted", "number", digits=0), Column(f"{title}: score", "number")]
    counts = [_count_events([test.reference for test in each.tests]) for each in found.values()]
    predicted = {
        title: (_count_events([test.predicted for test in each.tests]), _event_scores(each, metric, names))
        for title, each in found.items()
    }
    rows = [
        [
            name,
            max(count.get(name, 0) for count in counts),
            *(cell for count, scores in predicted.values() for cell in (count.get(name, 0), scores[name])),
        ]
        for name in names
    ]
    return Table(
        columns,
        rows,
        f"each label with its events, how many were predicted, and {metric} of it alone, with folds their mean; "
        "empty where there is no event of it; an F-measure of 0 where none was predicted, which heareval has as NaN",
    )


def _count_events(tests: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for events in tests:
        for listed in events.values():
            for event in listed:
                counts[event["label"]] = counts.get(event["label"], 0) + 1
    return counts


def _event_scores(predicted: Predicted, metric: str, names: Sequence[str]) -> dict[str, float | None]:
    return {
        name: _mean([_event_score(test, metric, predicted.labels, name) for test in predicted.tests]) for name in names
    }


def _event_score(test: Tested, metric: str, labels: Sequence[str], name: str) -> float | None:
    one = [
        {clip: [event for event in listed if event["label"] == name] for clip, listed in events.items()}
        for events in (test.predicted, test.reference)
    ]
    if not any(one[1].values()):
        return None
    return scored(metric, one[0], one[1], labels)


def scored(metric: str, predicted: Mapping[str, Any], reference: Mapping[str, Any], labels: Sequence[str]) -> Any:
    """A score of events, None where there is none.

    An F-measure is 0 also where there is nothing to find or nothing was found, and its recall or precision so NaN.
    """
    try:
        value = score_events(metric, predicted, reference, labels)
    except (KeyError, ValueError):
        return None
    if np.isnan(value):
        return 0.0 if any((*predicted.values(), *reference.values())) else None
    return value if any(reference.values()) else None  # errors for each event, of which there is none


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None
