"""Published figures (`published.csv`), and scores set beside them."""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib.resources
from collections.abc import Mapping

_FILE = "published.csv"


@dataclasses.dataclass(frozen=True)
class PublishedFigure:
    """One published figure.

    Attributes:
        task: "zero-shot", "retrieval" or "captioning".
        dataset: title of the data set.
        measure: such as "top1" or "text-to-audio R@1".
        value: a fraction from 0 to 1.
        source: where it was published.
    """

    task: str
    dataset: str
    measure: str
    value: float
    source: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A score beside a published figure; the difference is ours less the published one."""

    measure: str
    ours: float
    published: float
    difference: float
    source: str


@functools.cache
def published_figures() -> tuple[PublishedFigure, ...]:
    """All published figures, in the order of the file."""
    text = importlib.resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(
        PublishedFigure(row["task"], row["dataset"], row["measure"], float(row["value"]), row["source"]) for row in rows
    )


def compare(task: str, dataset: str, scores: Mapping[str, float]) -> list[Comparison]:
    """The scores beside every published figure that there is of them."""
    return [
        Comparison(each.measure, ours, each.value, ours - each.value, each.source)
        for each in published_figures()
        if (each.task, each.dataset) == (task, dataset) and (ours := scores.get(each.measure)) is not None
    ]
