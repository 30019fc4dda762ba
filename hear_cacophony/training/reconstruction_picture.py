"""A picture of what stage 1 restores: for each clip and mask ratio a row of four spectrograms."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.picture_file import check_new_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hear_cacophony.training.reconstruction import Reconstruction

MOST_ROWS = 40

_COLUMNS = ("log-mel", "kept", "restored", "error")
_FRAMES_PER_SECOND = 100
_DOTS_PER_INCH = 150
_ROW_INCHES, _COLUMN_INCHES = 1.6, 3.0
_NOT_KEPT = "#D9D9D9"


def check_picture(path: pathlib.Path, rows: int) -> None:
    """Raise what `draw_reconstructions` would raise, before any work.

    Raises:
        ValueError: there are more than `MOST_ROWS` rows.
        ModuleNotFoundError, ValueError, OSError: see `check_new_picture`.
    """
    if rows > MOST_ROWS:
        raise ValueError(f"expected at most {MOST_ROWS} rows, one for each file and mask ratio, got {rows}")
    check_new_picture(path)


def draw_reconstructions(path: pathlib.Path, rows: Sequence[tuple[str, Reconstruction]], title: str) -> None:
    """Draw the spectrograms of clips, what was kept of them, what was made of that, and the error.

    Args:
        path: the file to write, whole or not at all; its ending says which kind.
        rows: what stands beside each row, and what it shows.
        title: stands above all.
    """
    import matplotlib
    from matplotlib.figure import Figure

    size = (_COLUMN_INCHES * len(_COLUMNS), _ROW_INCHES * len(rows) + 0.6)
    with matplotlib.rc_context({"font.size": 7, "text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(rows), len(_COLUMNS), squeeze=False, sharey=True)
        for name, axis in zip(_COLUMNS, axes[0], strict=True):
            axis.set_title(name)
        for row, (label, found) in zip(axes, rows, strict=True):
            _draw_row(row, label, found)
        for axis in axes[-1]:
            axis.set_xlabel("seconds")
        figure.suptitle(title)
        kind = path.suffix.lower()[1:]
        write_file(path, lambda part: figure.savefig(part, format=kind, dpi=_DOTS_PER_INCH))


def _draw_row(row: Sequence[Axes], label: str, found: Reconstruction) -> None:
    low, high = float(found.original.min()), float(found.original.max())
    difference = np.where(found.kept_values, np.nan, found.restored - found.original)
    most = float(np.nanmax(np.abs(difference))) or 1.0
    kept = np.where(found.kept_values, found.original, np.nan)
    for axis, values in zip(row, (found.original, kept, found.restored), strict=False):
        _draw(axis, values, "magma", low, high)
    _draw(row[3], difference, "RdBu_r", -most, most)
    row[3].text(
        1.02,
        0.5,
        f"mean squared error\n{found.error:.4f}\nof each patch's mean\n{found.error_of_means:.4f}",
        transform=row[3].transAxes,
        verticalalignment="center",
    )
    row[0].set_ylabel(label)


def _draw(axis: Axes, values: np.ndarray, colours: str, low: float, high: float) -> None:
    frames, bands = values.shape
    axis.set_facecolor(_NOT_KEPT)
    extent = (0, frames / _FRAMES_PER_SECOND, 0, bands)
    axis.imshow(values.T, cmap=colours, vmin=low, vmax=high, origin="lower", aspect="auto", extent=extent)
