"""The first page: the table, the dot plot, what is missing, and the way to the tasks."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.pages import Column, Links, Page, PageFolder, Picture, Table, Text
from hear_cacophony.pages.blocks import Block, Heading
from hear_tasks.leaderboard import (
    MAX_MODELS,
    Model,
    PublishedRow,
    Row,
    Score,
    format_cell,
    incomplete_columns,
    leaderboard_rows,
    plot_leaderboard,
    published_rows,
    remarks,
    reservation_marks,
    tasks_not_run,
)
from hear_tasks.registry import find_tasks


def overview(models: Sequence[Model], pages: Mapping[str, str], folder: PageFolder, *, published: bool) -> Page:
    """The first page.

    Args:
        models: at least one of them with a score.
        pages: URLs of the pages of tasks, by their directories.
        folder: that the plot is added to.
        published: whether published scores are shown, too.
    """
    scored = [model for model in models if model.scores]
    problems = [problem for model in models for problem in (*model.problems, *incomplete_columns(model))]
    blocks: list[Block] = []
    if problems:
        blocks.append(Text(problems, warns=True))
    if told := tasks_not_run(models):
        blocks.append(Text(told))
    blocks += [_table(scored, pages, published=published)]
    if published:
        blocks.append(Text([f"{row.model}: published in {row.source}" for row in _published(scored)]))
    if notes := remarks(scored):
        blocks.append(Text(notes))
    blocks += [Heading("Scores"), _plot(scored, folder, published=published)]
    blocks += [Heading("Tasks"), Links(sorted(pages.items()))]
    return Page("Scores on HEAR tasks", blocks)


def _table(models: Sequence[Model], pages: Mapping[str, str], *, published: bool) -> Table:
    rows, marks = leaderboard_rows(models), reservation_marks(models)
    beside = _published(models) if published else []
    columns = [
        Column("task", "link", wide=True),
        Column("score"),
        Column("chance", "number"),
        *(Column(model.title, "number", wide=True) for model in models),
        *(Column(f"{row.model} (published)", "number") for row in beside),
    ]
    cells = [
        [
            [row.label, _page_of(row, pages)],
            row.metric,
            row.chance,
            *(_cell(score, marks) for score in row.scores),
            *(each.scores.get(row.label) for each in beside),
        ]
        for row in rows
    ]
    return Table(columns, cells, "scores of each model on each task; with folds, mean ± standard deviation")


def _published(models: Sequence[Model]) -> list[PublishedRow]:
    """The published rows with a score in a line of the table."""
    labels = {row.label for row in leaderboard_rows(models)}
    return [row for row in published_rows() if labels & row.scores.keys()]


def _page_of(row: Row, pages: Mapping[str, str]) -> str:
    """The page of a line's task, "" where several tasks make it."""
    directories = [task.directory for task in find_tasks(row.label)] if row.official else [row.label]
    return pages.get(directories[0], "") if len(directories) == 1 else ""


def _cell(score: Score | None, marks: Mapping[str, str]) -> list[Any] | None:
    return None if score is None else [score.value, format_cell(score, marks)]


def _plot(models: Sequence[Model], folder: PageFolder, *, published: bool) -> Block:
    if len(models) > MAX_MODELS:
        return Text([f"The dot plot shows up to {MAX_MODELS} models, which can be told apart; here are {len(models)}."])
    with tempfile.TemporaryDirectory() as place:
        file = pathlib.Path(place) / "plot.svg"
        plot_leaderboard(file, models, published_rows() if published else ())
        url = folder.add("plot.svg", file.read_bytes())
    return Picture(url, "dot plot of the scores in the table above, a marker for each model; hollow: not official")
