"""The leaderboard as lines of text, as tables of markdown, and as the official CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Protocol

from hear_cacophony.printable import on_one_line
from hear_cacophony.text_table import GAP, column_widths, text_table
from hear_tasks.leaderboard import published
from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.scores import Score
from hear_tasks.leaderboard.table import (
    Row,
    group_remarks,
    leaderboard_cells,
    leaderboard_rows,
    remarks,
    reservation_marks,
    tasks_of_remarks,
)
from hear_tasks.registry import COLUMNS

_HEAD_WIDTH = 24


class Form(Protocol):
    """How tables and lines are written."""

    def table(self, cells: list[list[str]], fixed: int) -> str:
        """A table, the head first, whose `fixed` first columns name its lines."""

    def listing(self, lines: Sequence[str]) -> str:
        """Lines below a table."""

    def titled(self, title: str, table: str) -> str:
        """A table below its title."""


class Text:
    """Aligned columns.

    Args:
        width: characters in a line; a table that is wider goes on below itself. None: any.
    """

    def __init__(self, width: int | None = None) -> None:
        self._width = width

    def table(self, cells: list[list[str]], fixed: int) -> str:
        """See `Form`; where it is too wide, it goes on below with its `fixed` first columns."""
        heads = [_broken(head) for head in cells[0]]
        height = max(map(len, heads))
        lines = [list(line) for line in zip(*([""] * (height - len(head)) + head for head in heads), strict=True)]
        lines += cells[1:]
        blocks = [[*range(fixed), *block] for block in _blocks(column_widths(lines), fixed, self._width)]
        return "\n\n".join(_ruled([[line[i] for i in block] for line in lines], height) for block in blocks)

    def listing(self, lines: Sequence[str]) -> str:
        """See `Form`."""
        return "\n".join(map(on_one_line, lines))

    def titled(self, title: str, table: str) -> str:
        """See `Form`."""
        return f"{on_one_line(title)}\n{table}"


class Markdown:
    """Tables and lists of markdown."""

    def table(self, cells: list[list[str]], fixed: int) -> str:
        """See `Form`."""
        lines = [[_escape(cell) for cell in line] for line in cells]
        lines.insert(1, ["---"] * len(cells[0]))
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def listing(self, lines: Sequence[str]) -> str:
        """See `Form`."""
        return "\n".join(f"- {_escape(line)}" for line in lines)

    def titled(self, title: str, table: str) -> str:
        """See `Form`."""
        return f"{_escape(title)}\n\n{table}"


def format_leaderboard(models: Sequence[Model], form: Form, *, rows: bool = False, table: bool = False) -> str:
    """The leaderboard, tasks down and models across, with the remarks below it.

    `rows` sets each model beside all published rows, `table` shows the published table with the models in it.
    """
    parts = [form.table(leaderboard_cells(models), 3), form.listing(remarks(models))]
    if rows:
        parts += _compare(models, form)
    if table:
        parts += [published.CAPTION, form.table(published.published_table_cells(models), 1)]
    return "\n\n".join(part for part in parts if part)


def _compare(models: Sequence[Model], form: Form) -> list[str]:
    """Each model beside the published rows."""
    shown, marks = published.shown_rows(models, published.published_rows()), reservation_marks(models)
    parts = [published.COMPARISON]
    for model in models:
        cells = published.comparison_cells(model, shown, marks)
        below = form.table(cells, 2) if cells else published.NONE_PUBLISHED
        parts.append(form.titled(published.name_published_row(model), below))
    return [*parts, form.listing(published.explain_rows(shown))]


def _escape(text: str) -> str:
    """Text on one line with the characters escaped that mean something in markdown."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", on_one_line(text))


def _broken(head: str) -> list[str]:
    """A head in lines of up to `_HEAD_WIDTH` characters: broken at spaces, never within a name."""
    lines = [""]
    for word in head.split():
        if lines[-1] and len(f"{lines[-1]} {word}") > _HEAD_WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _blocks(widths: list[int], fixed: int, width: int | None) -> list[list[int]]:
    """The columns beyond the fixed ones, in as many blocks as `width` asks for; at least one in each."""
    left = sum(widths[:fixed]) + len(GAP) * (fixed - 1)
    blocks: list[list[int]] = [[]]
    used = left
    for column in range(fixed, len(widths)):
        needed = len(GAP) + widths[column]
        if width is not None and blocks[-1] and used + needed > width:
            blocks.append([])
            used = left
        blocks[-1].append(column)
        used += needed
    return blocks


def _ruled(lines: list[list[str]], height: int) -> str:
    """The columns aligned, and a rule below the first `height` lines."""
    text = text_table(lines)
    return "\n".join([*text[:height], "-" * max(map(len, text)), *text[height:]])


CSV_HEADER = ("Model", "URL", "Submission Date", *COLUMNS)
"""The header of the official leaderboard."""


def format_csv(models: Sequence[Model], *, unofficial: bool = False) -> str:
    """The leaderboard as the official CSV: fractions, blank where there is no score.

    URL and submission date are blank, for whoever submits it.

    Args:
        models: one line each; a model of which nothing is official has none.
        unofficial: whether scores with reservations are let in; the name of their model then says which those are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    rows = leaderboard_rows(models)
    for i, model in enumerate(models):
        scored = [(row, score) for row in rows if (score := row.scores[i]) is not None]
        values = {row.label: f"{score.value:.6f}" for row, score in scored if not _barred(row, score, unofficial)}
        name = f"{model.name}{_warning(models, i) if unofficial else ''}"
        if values:
            writer.writerow([name, "", "", *(values.get(column, "") for column in COLUMNS)])
    return text.getvalue()


def left_out_of_csv(models: Sequence[Model], *, unofficial: bool = False) -> list[str]:
    """What `format_csv` leaves out: one message for each reason, with the models and tasks."""
    reasons = group_remarks(models, lambda row, score: _barred(row, score, unofficial))
    return [f"left out of the CSV: {reason}" for reason in reasons.values()]


def _warning(models: Sequence[Model], number: int) -> str:
    """What a line of the CSV has instead of marks; "" where all of its scores are official ones."""
    found = tasks_of_remarks(models, number, lambda row, score: score.reservations if row.official else ())
    told = [f"{', '.join(labels)}: {remark}" if labels else remark for remark, labels in found.items()]
    return f" (unofficial: {'; '.join(told)})" if told else ""


def _barred(row: Row, score: Score, unofficial: bool) -> tuple[str, ...]:
    """The reasons that keep a score out of the CSV."""
    if not row.official:
        return ("no column of the official leaderboard",)
    return () if unofficial else score.reservations
