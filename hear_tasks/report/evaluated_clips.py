"""Of an evaluation's page: its clips, the worst first, from the CSV files beside its results."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.pages import Column, SoundCells, Table, Text
from hear_cacophony.pages.blocks import Block, Heading
from hear_cacophony.pages.confusion import confusion_plot, frequent_pairs

_MOST_ROWS = 15_000
_OF_CLASS, _RANK = ("rank_of_class", "probability_of_class"), ("rank",)

Row = Mapping[str, str]


def classified_blocks(
    folder: pathlib.Path, title: str, content: Mapping[str, Any], cells: SoundCells, pictures: int
) -> list[Block]:
    """Classes, confusions and clips of a zero-shot classification."""
    rows, gaps = _read(folder / "predictions.csv", ("file", "class", "predicted", "rank_of_class"), _OF_CLASS)
    blocks: list[Block] = [Heading("Classes"), _classes(content)] if content.get("per_class") else []
    if not rows:
        return [*blocks, *gaps]
    names = sorted({*content.get("per_class", ()), *(row[name] for row in rows for name in ("class", "predicted"))})
    matrix = _matrix(rows, names)
    right = np.trace(matrix) / matrix.sum()
    head = f"{title}: {right:.1%} of {matrix.sum():,} clips right"
    blocks += [Heading("Confusions"), confusion_plot(matrix, names, head), frequent_pairs(matrix, names, title)]
    rows.sort(key=lambda row: _number(row.get("probability_of_class")) or 0.0)
    likeliest, best = _likeliest(rows[:_MOST_ROWS])
    columns = [
        Column("file"),
        Column("sound", "sound"),
        Column("class"),
        likeliest,
        Column("of its class", "bar"),
        Column("rank of its class", "number", digits=0),
    ]
    table = [
        [
            row["file"],
            _cell(row, cells, number < pictures),
            row["class"],
            best[number],
            _number(row.get("probability_of_class")),
            _number(row["rank_of_class"]),
        ]
        for number, row in enumerate(rows[:_MOST_ROWS])
    ]
    caption = f"clips, the least probability of their class first{_shown(rows)}{_pictured(pictures)}"
    return [*blocks, Heading("Clips"), *_old(rows, "probability_of_class"), Table(columns, table, caption)]


def retrieved_blocks(
    folder: pathlib.Path, title: str, content: Mapping[str, Any], cells: SoundCells, pictures: int
) -> list[Block]:
    """What was found by each clip and by each caption."""
    by_clip, no_clips = _read(folder / "audio_to_text.csv", ("file", "rank", "found_1"), _RANK)
    by_text, no_texts = _read(folder / "text_to_audio.csv", ("caption", "file", "found_1"), _RANK)
    paths = {row["file"]: row for row in by_clip}
    blocks: list[Block] = [Heading("Captions by their clips"), *no_clips]
    if by_clip:
        by_clip.sort(key=lambda row: -float(row["rank"]))
        columns = [
            Column("file"),
            Column("sound", "sound"),
            Column("rank of the first right caption", "number", digits=0),
            Column("found, best first", "labels", wide=True),
        ]
        table: list[list[Any]] = [
            [row["file"], _cell(row, cells, number < pictures), _number(row["rank"]), _found(row)]
            for number, row in enumerate(by_clip[:_MOST_ROWS])
        ]
        caption = f"clips and the captions that were found by them, the worst rank first{_shown(by_clip)}"
        blocks.append(Table(columns, table, f"{caption}{_pictured(pictures)}"))
    blocks += [Heading("Clips by their captions"), *no_texts]
    if by_text:
        by_text.sort(key=lambda row: -(_number(row.get("rank")) or 0))
        columns = [
            Column("caption", wide=True),
            Column("its clip"),
            Column("sound", "sound"),
            Column("rank of the first right clip", "number", digits=0),
            Column("found, best first", "labels", wide=True),
        ]
        table = [
            [
                row["caption"],
                row["file"],
                _cell(paths.get(row["file"], {}), cells, number < pictures),
                _number(row.get("rank")),
                _found(row),
            ]
            for number, row in enumerate(by_text[:_MOST_ROWS])
        ]
        caption = f"captions and the clips that were found by them, the worst rank first{_shown(by_text)}"
        blocks += [*_old(by_text, "rank"), Table(columns, table, f"{caption}{_pictured(pictures)}")]
    return blocks


def captioned_blocks(
    folder: pathlib.Path, title: str, content: Mapping[str, Any], cells: SoundCells, pictures: int
) -> list[Block]:
    """Each clip with its caption, the references and the scores."""
    rows, gaps = _read(folder / "captions.csv", ("file", "caption", "reference_1"))
    if not rows:
        return [Heading("Clips"), *gaps]
    measures = [name for name in content["scores"] if name in rows[0]]
    if measures:
        rows.sort(key=lambda row: _number(row[measures[0]]) or 0.0)
    columns = [
        Column("file"),
        Column("sound", "sound"),
        Column("caption", wide=True),
        Column("references", wide=True),
        *(Column(measure, "number") for measure in measures),
    ]
    table = [
        [
            row["file"],
            _cell(row, cells, number < pictures),
            row["caption"],
            " / ".join(value for name, value in row.items() if name.startswith("reference_") and value),
            *(_number(row[measure]) for measure in measures),
        ]
        for number, row in enumerate(rows[:_MOST_ROWS])
    ]
    order = f", the least {measures[0]} first" if measures else ""
    caption = f"clips with their captions{order}{_shown(rows)}{_pictured(pictures)}"
    told = [] if measures else [Text(["captions.csv tells no scores of single clips; run the evaluation again"], True)]
    return [Heading("Clips"), *told, Table(columns, table, caption)]


def _read(
    file: pathlib.Path, wanted: Sequence[str], numbers: Sequence[str] = ()
) -> tuple[list[dict[str, str]], list[Block]]:
    """The rows of a CSV file, and what to say where they cannot be read.

    Args:
        file: the file.
        wanted: columns that it has to have.
        numbers: columns with numbers, where they are there.
    """
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        if not rows or any(row.get(name) is None for row in rows for name in wanted):
            raise ValueError(f"expected rows of {', '.join(wanted)}")
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("expected a cell for each column in every row; was it cut?")
        for name in numbers:
            for row in rows:
                float(row.get(name, 0))
    except (OSError, ValueError, csv.Error) as error:
        return [], [Text([f"{file}: cannot be read ({error}); run the evaluation again"], warns=True)]
    return rows, []


def _old(rows: Sequence[Row], name: str) -> list[Block]:
    """What to say of files of an earlier version, which lack a column."""
    return [] if name in rows[0] else [Text([f"{name} was not kept; run the evaluation again"], warns=True)]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _cell(row: Row, cells: SoundCells, pictured: bool) -> list[Any] | None:
    path = row.get("path")
    if not path:
        return None
    if pictured:
        return cells.cell(path)
    return cells.link_only(path) if os.path.isfile(path) else ["", "", 0]


def _likeliest(rows: Sequence[Row]) -> tuple[Column, list[list[Any]]]:
    """The likeliest classes and their probabilities, or names alone where a file of an earlier version has no more."""
    best = [_best(row) for row in rows]
    if all(probability is not None for each in best for _, probability in each):
        return Column("likeliest", "ranked"), [[[name, round(p or 0, 4)] for name, p in each] for each in best]
    return Column("likeliest", "labels"), [[name for name, _ in each] for each in best]


def _best(row: Row) -> list[tuple[str, float | None]]:
    """Classes and probabilities, the likeliest first; of an earlier version's file the first alone."""
    if "best_1" not in row:
        return [(row["predicted"], _number(row.get("probability")))]
    numbers = [name.removeprefix("best_") for name in row if name.startswith("best_")]
    return [(row[f"best_{number}"], _number(row.get(f"probability_{number}"))) for number in numbers]


def _found(row: Row) -> list[str]:
    return [value for name, value in row.items() if name.startswith("found_") and value]


def _matrix(rows: Sequence[Row], names: Sequence[str]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names)), np.int64)
    for row in rows:
        matrix[numbers[row["class"]], numbers[row["predicted"]]] += 1
    return matrix


def _classes(content: Mapping[str, Any]) -> Table:
    measures = [name for name in next(iter(content["per_class"].values())) if name != "clips"]
    columns = [Column("class", wide=True), Column("clips", "number", digits=0)]
    columns += [Column(measure, "bar") for measure in measures]
    rows = [[name, each["clips"], *(each[m] for m in measures)] for name, each in content["per_class"].items()]
    return Table(
        columns, rows, "each class with its clips, and the part of them whose class is the likeliest, or among"
    )


def _shown(rows: Sequence[Row]) -> str:
    return f"; {_MOST_ROWS:,} of {len(rows):,}, the CSV file has all" if len(rows) > _MOST_ROWS else ""


def _pictured(pictures: int) -> str:
    return f"; a spectrogram for the first {pictures}"
