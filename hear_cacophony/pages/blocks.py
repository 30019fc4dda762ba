"""What pages are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hear_cacophony.printable import one_direction

PLOT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F7F7F", "#A0522D", "#E69F00", "#56B4E9")
"""Mostly of Okabe and Ito ("Color Universal Design", 2008), which any colour vision tells apart. The first six stand
out from light paper as from dark, the last two from light paper only with an outline."""


@dataclasses.dataclass(frozen=True)
class Text:
    """Paragraphs.

    Attributes:
        paragraphs: of plain text.
        warns: whether they tell of something that is wrong or missing.
    """

    paragraphs: Sequence[str]
    warns: bool = False


@dataclasses.dataclass(frozen=True)
class Facts:
    """Names and what belongs to each, in pairs."""

    pairs: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Links:
    """Links to other pages, in pairs of a text and a relative URL."""

    pairs: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        url: as `PageFolder.add` gives it.
        alternative: what it shows, for those who do not see it.
    """

    url: str
    alternative: str


@dataclasses.dataclass(frozen=True)
class Plot:
    """A plot to point at and to move in.

    Attributes:
        data: traces of plotly.js. Texts that a reader is to see as they are go through `plot_text`.
        layout: of plotly.js; colours of paper, text and grid are set by the page, for light and for dark.
        alternative: what it shows, for those who do not see it.
        height: in CSS pixels.
        config: of plotly.js, beside what all plots have.
    """

    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    alternative: str
    height: int = 420
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its head.
        kind: what its cells are, each of which may be None:
            "text": a text, or the number of one of `labels`;
            "number": a number, or [number, text], which is shown in its place;
            "bar": a number from 0 to 1, with a bar;
            "link": [text, URL], or [text, ""] where it leads nowhere;
            "ranked": a list of [label, number from 0 to 1], best first, each with a bar;
            "labels": a list of labels;
            "sound": as `SoundCells` gives it.
            A label is a text, or the number of one of `labels`.
        labels: those that cells give by number.
        digits: of numbers, behind the point.
        wide: whether its texts are long.
        base: of sounds, what the URLs of their audio begin with.
    """

    title: str
    kind: str = "text"
    labels: Sequence[str] = ()
    digits: int = 3
    wide: bool = False
    base: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that sorts and can be searched. Only rows that are seen are drawn, so there may be many thousands.

    Attributes:
        columns: its columns.
        rows: a cell for each column, as `Column.kind` says; read once, so they may be made as they are read.
        caption: what the table is, for people.
        sort: the column that it is sorted by at first, and whether the largest is first; None: as the rows come.
    """

    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]
    caption: str
    sort: tuple[int, bool] | None = None


@dataclasses.dataclass(frozen=True)
class Heading:
    """Begins a section of the page."""

    title: str


Block = Text | Facts | Links | Picture | Plot | Table | Heading


@dataclasses.dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        title: of the page.
        blocks: what is on it, from top to bottom.
        links: to other pages, above all else: pairs of a text and a relative URL.
        scripts: names of further files in `assets` that the page runs.
    """

    title: str
    blocks: Sequence[Block]
    links: Sequence[tuple[str, str]] = ()
    scripts: Sequence[str] = ()


def plot_text(text: str, most: int | None = None) -> str:
    """A text that plotly.js shows as it is: it would take parts of it for markup.

    Args:
        text: the text.
        most: characters that are shown; of longer ones the beginning, with an ellipsis.
    """
    if most is not None and len(text) > most:
        text = f"{text[: most - 1]}…"
    text = " ".join(one_direction(text).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
