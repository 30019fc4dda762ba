"""Which classes are taken for which: a picture that shows rare confusions, too, and the most frequent pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.pages.blocks import Column, Plot, Table, plot_text

# Colours go by the square root of the part of a class's clips, so that 2% is seen and told from 10%.
_SCALE = [
    [0, "#f7f7f7"],
    [0.1, "#d6e6f4"],
    [0.1414, "#b9d6ea"],
    [0.3162, "#6aaed6"],
    [0.5477, "#2e7ebc"],
    [1, "#08306b"],
]
_MARKS = (0, 0.02, 0.1, 0.3, 0.6, 1)
_WRITTEN_CLASSES = 20
"""With so many classes the numbers of clips stand in the picture."""
_MOST_HEIGHT = 2600
_MOST_MARKS = 100
"""Names along an axis; each takes long to draw. The others are told where one points, and come when one moves in."""

Pair = tuple[str, str, int, float]
"""A class, what it was taken for, how many of its clips were, and which part of them."""


def confusion_plot(matrix: np.ndarray, names: Sequence[str], title: str) -> Plot:
    """A picture of confusions: the part of each class's clips that was taken for each class.

    Args:
        matrix: numbers of clips, shape (classes, classes): rows are their classes, columns what they were taken for.
        names: of the classes.
        title: stands above it.
    """
    parts = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    count, most = len(names), 24 if len(names) > 40 else 40
    pixels = 24 if count <= 40 else 14 if count <= 100 else 8
    shown = _different([plot_text(name, most) for name in names])
    marks = {"type": "category", "nticks": min(count, _MOST_MARKS)}
    font = {"tickfont": {"size": 12 if pixels == 24 else 9 if pixels == 14 else 7}}
    data: dict[str, Any] = {
        "type": "heatmap",
        "x": shown,
        "y": shown,
        "z": [[_short(value) for value in row] for row in np.sqrt(parts).tolist()],
        "customdata": matrix.tolist(),
        "zmin": 0,
        "zmax": 1,
        "colorscale": _SCALE,
        "colorbar": {"tickvals": [value**0.5 for value in _MARKS], "ticktext": [f"{value:.0%}" for value in _MARKS]},
        "xgap": 1 if count <= 40 else 0,
        "ygap": 1 if count <= 40 else 0,
        "hovertemplate": "%{y}<br>taken for %{x}<br>%{customdata} clips<extra></extra>",
    }
    if count <= _WRITTEN_CLASSES:
        data |= {"text": matrix.tolist(), "texttemplate": "%{text}"}
    layout = {
        "title": {"text": plot_text(title), "font": {"size": 13}},
        "margin": {"t": 50, "l": 60, "r": 20, "b": 60},
        "xaxis": {"title": {"text": "taken for", "standoff": 10}, "showgrid": False, **marks, **font},
        "yaxis": {
            "title": {"text": "class", "standoff": 10},
            "autorange": "reversed",
            "showgrid": False,
            **marks,
            **font,
        },
    }
    alternative = f"confusions: {title}; the most frequent ones are in the table below"
    return Plot([data], layout, alternative, min(_MOST_HEIGHT, max(420, 220 + pixels * count)))


def _different(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that were cut to the same."""
    seen: dict[str, int] = {}
    different = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        different.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return different


def _short(value: float) -> float:
    return round(value, 2) or 0


def confused_pairs(matrix: np.ndarray, classes: Sequence[str]) -> list[Pair]:
    """All confusions, the most frequent first; see `confusion_plot` for the matrix."""
    wrong, totals = matrix - np.diag(np.diag(matrix)), matrix.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    places = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(classes[i], classes[j], int(wrong[i, j]), float(wrong[i, j] / totals[i])) for i, j in places]


def frequent_pairs(matrix: np.ndarray, names: Sequence[str], of: str, most: int = 200) -> Table:
    """The most frequent confusions.

    Args:
        matrix: see `confusion_plot`.
        names: of the classes.
        of: whose they are.
        most: of these pairs are listed.
    """
    pairs = confused_pairs(matrix, names)
    rows = [[*pair] for pair in pairs[:most]]
    columns = [
        Column("class", wide=True),
        Column("taken for", wide=True),
        Column("clips", "number", digits=0),
        Column("part of the class", "bar"),
    ]
    shown = (
        f"the {most} most frequent of {len(pairs)} confusions" if len(pairs) > most else f"all {len(pairs)} confusions"
    )
    return Table(columns, rows, f"{of}: {shown}")
