"""Published HEAR scores of the Cacophony paper's models and of those it compares with (`published.csv`)."""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib.resources
from collections.abc import Mapping

from hear_tasks.registry import COLUMNS

_FILE = "published.csv"


@dataclasses.dataclass(frozen=True)
class PublishedRow:
    """The published scores of one model.

    Attributes:
        model: its name; with the release where the weights were replaced.
        module: the HEAR module that embeds with it.
        md5: MD5 of the checkpoint that the scores belong to, "" where none was published.
        source: where the figures were published.
        scores: fractions from 0 to 1 by leaderboard column, only the columns that were published.
    """

    model: str
    module: str
    md5: str
    source: str
    scores: Mapping[str, float]


@functools.cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All published rows, in the order of their source.

    Raises:
        ValueError: the data file holds a column that is none of the leaderboard's.
    """
    text = importlib.resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    return tuple(_read_row(record) for record in csv.DictReader(text.splitlines()))


def _read_row(record: dict[str, str]) -> PublishedRow:
    model, module, md5, source = (record.pop(field) for field in ("model", "module", "md5", "source"))
    unknown = record.keys() - set(COLUMNS)
    if unknown:
        raise ValueError(f"{_FILE}: expected columns of the leaderboard, got {', '.join(sorted(map(repr, unknown)))}")
    return PublishedRow(model, module, md5, source, {column: float(value) for column, value in record.items() if value})


def find_published(md5: str) -> PublishedRow | None:
    """The published row that the checkpoint with this MD5 belongs to, None if it belongs to none."""
    return next((row for row in published_rows() if md5 and row.md5 == md5.lower()), None)
