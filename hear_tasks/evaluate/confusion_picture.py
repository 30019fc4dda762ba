"""A picture of which classes were taken for which, and the most frequent of these confusions."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from hear_cacophony.pages.confusion import confused_pairs

_DOTS_PER_INCH = 150
_LARGEST_INCHES = 40.0
_LEAST_INCHES = 4.0
_CLASS_INCHES = 0.14
_TEXT_INCHES = 3.2
_LISTED = 20
_CHARACTERS = 26
_MARKS = (0.02, 0.1, 0.3, 0.6, 1)


def draw_confusion(path: pathlib.Path, matrix: np.ndarray, classes: Sequence[str], title: str) -> None:
    """Draw a confusion matrix as PNG: the part of each class's clips that was taken for each class.

    Colours go by the square root of these parts, so that 2% are seen and told from 10%.

    Args:
        path: the file to write.
        matrix: numbers of clips, shape (classes, classes): rows are their classes, columns what they were taken for.
        classes: their names.
        title: stands above it.
    """
    import matplotlib
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    parts = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    inches = min(_LARGEST_INCHES, max(_LEAST_INCHES, 2.5 + _CLASS_INCHES * len(classes)))
    names = [_shortened(name) for name in classes]
    with matplotlib.rc_context({"font.size": 6, "text.parse_math": False}):
        figure = Figure(figsize=(inches + 1 + _TEXT_INCHES, inches), layout="constrained")
        axes, beside = figure.subplots(1, 2, width_ratios=(inches + 1, _TEXT_INCHES))
        image = axes.imshow(parts, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))
        axes.set_xticks(range(len(classes)), names, rotation=90)
        axes.set_yticks(range(len(classes)), names)
        axes.set_xlabel("taken for")
        axes.set_ylabel("class")
        bar = figure.colorbar(image, ax=axes, label="part of the class's clips", shrink=0.6)
        bar.set_ticks(_MARKS, labels=[f"{mark:.0%}" for mark in _MARKS])
        beside.axis("off")
        beside.text(0, 1, _listed(matrix, classes), transform=beside.transAxes, va="top", linespacing=1.5)
        figure.suptitle(title, fontsize=8)
        figure.savefig(path, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _listed(matrix: np.ndarray, classes: Sequence[str]) -> str:
    pairs = confused_pairs(matrix, classes)
    if not pairs:
        return "no confusions"
    lines = [
        f"{part:.0%} ({count}) {_shortened(name)} \N{RIGHTWARDS ARROW} {_shortened(taken)}"
        for name, taken, count, part in pairs[:_LISTED]
    ]
    return "\n".join([f"most frequent of {len(pairs)} confusions:", *lines])


def _shortened(name: str) -> str:
    return name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
