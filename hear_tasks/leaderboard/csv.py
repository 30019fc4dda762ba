"""The leaderboard as the official CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from hear_tasks.leaderboard.models import Model
from hear_tasks.leaderboard.scores import Score
from hear_tasks.leaderboard.table import Row, group_remarks, leaderboard_rows, tasks_of_remarks
from hear_tasks.registry import COLUMNS

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
