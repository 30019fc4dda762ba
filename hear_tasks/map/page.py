"""The page of a map: the points, a player, and the list of the sounds."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hear_cacophony.pages import Column, Facts, Page, PageFolder, Plot, Table, Text, write_page
from hear_cacophony.pages.blocks import PLOT_COLOURS, Block, plot_text
from hear_cacophony.pages.sounds import file_url
from hear_tasks.map.colours import counted
from hear_tasks.map.points import Colours, Points

_SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up", "x")
OUTLINE = "#787878"
"""Of points, which so stand out from light paper and from dark; and the colour of those without one of their own."""

OPACITY = 0.8
_MOST_NAMED = len(PLOT_COLOURS) * len(_SYMBOLS)
_LONGEST_NAME = 40
_HEIGHT = 640
_CONFIG = {"scrollZoom": True, "plotGlPixelRatio": 1}
"""The usual ratio of 2 has a browser without a GPU draw four times as many pixels."""

_MOST_DRAWN_PLAINLY = 2000
"""Points that a browser moves smoothly without WebGL."""

_HELP = (
    "Point at one of the {what} to hear it; a browser lets pages play once the page was clicked. With the arrow keys "
    "on the map you go from point to point, Enter plays, + and - zoom. Choose an area with the lasso or the box of "
    "the map's tools, or by keyboard with the space bar at one of its corners and again at the opposite one: the "
    "list below shows the {what} in it, whose names can be copied or saved. Escape shows all again."
)


def write_map(
    file: pathlib.Path, points: Points, places: np.ndarray, colours: Colours, layout: str, remarks: Sequence[str]
) -> None:
    """Write the page of a map, and a folder of its files beside it.

    Args:
        file: the page.
        points: the sounds, at least one.
        places: of each, shape (sounds, 2).
        colours: of each.
        layout: how the places came about.
        remarks: what is to be known of it.
    """
    count, what = len(points.names), points.what

    def build(pages: PageFolder) -> Page:
        told = f"Map of {count} {what} by their embeddings, coloured by {colours.title}"
        style = {
            "dragmode": "pan",
            "hovermode": "closest",
            "xaxis": {"visible": False},
            "yaxis": {"visible": False, "scaleanchor": "x"},
            "legend": {"itemsizing": "constant", "y": 0.94},  # below the tools
            "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        }
        plot = Plot(_traces(places, colours), style, told, height=_HEIGHT, config=_CONFIG)
        kind = Column(colours.title, "number" if colours.are_numbers else "text")
        table = Table(
            [Column("file", "link", wide=True), kind], _rows(points, colours), f"the {count} {what} of the map"
        )
        blocks: list[Block] = [
            Facts([(what, str(count)), *points.facts, ("places", layout)]),
            Text([_HELP.format(what=what)]),
        ]
        if remarks:
            blocks.append(Text(remarks, warns=True))
        return Page(f"Map of {what}", [*blocks, plot, table], scripts=("map.js",))

    write_page(file, build)


def _rows(points: Points, colours: Colours) -> Iterator[list[Any]]:
    spans: Sequence[tuple[float, float] | None] = points.spans or [None] * len(points.names)
    for name, file, value, span in zip(points.names, points.files, colours.values, spans, strict=True):
        url = file_url(os.path.abspath(file)) if file else ""
        if span is None:
            yield [[name, url], value]
        else:  # browsers play what #t= names
            start, end = span
            part = f"{url}#t={start:.3f},{end:.3f}" if url else ""
            yield [[f"{name}, {start:.2f} to {end:.2f} s", part], value]


def _traces(places: np.ndarray, colours: Colours) -> list[dict[str, Any]]:
    """Points by their colour; each knows the number of its row in the list."""
    if colours.are_numbers:
        values = [None if value is None else float(value) for value in colours.values]
        bar = {"title": {"text": plot_text(colours.title, _LONGEST_NAME)}}
        marker = {"color": values, "colorscale": "Cividis", "showscale": True, "colorbar": bar}
        return [_trace(places, range(len(places)), "", marker, False)]
    named = list(counted(colours))[:_MOST_NAMED]
    members: dict[str | None, list[int]] = {name: [] for name in named}
    for i, value in enumerate(colours.values):
        members.setdefault(str(value) if str(value) in members else None, []).append(i)
    traces = []
    for number, (name, rows) in enumerate(members.items()):
        if name is None:
            marker = {"color": OUTLINE, "symbol": "circle-open"}
        else:
            marker = {
                "color": PLOT_COLOURS[number % len(PLOT_COLOURS)],
                "symbol": _SYMBOLS[number // len(PLOT_COLOURS)],
            }
        title = "others" if name is None else plot_text(name, _LONGEST_NAME) or "none"
        traces.append(_trace(places, rows, title, marker, len(members) > 1))
    return traces


def _trace(places: np.ndarray, rows: Sequence[int], name: str, marker: dict[str, Any], legend: bool) -> dict[str, Any]:
    chosen, plain = np.round(places[list(rows)], 4), len(places) <= _MOST_DRAWN_PLAINLY
    line = {"width": 1 if plain else 0.5, "color": OUTLINE}
    return {
        "type": "scatter" if plain else "scattergl",
        "mode": "markers",
        "name": name,
        "x": chosen[:, 0].tolist(),
        "y": chosen[:, 1].tolist(),
        "customdata": list(rows),
        "hoverinfo": "none",
        "marker": {"size": 7 if plain else 4, "opacity": OPACITY, "line": line, **marker},
        "showlegend": legend,
    }
