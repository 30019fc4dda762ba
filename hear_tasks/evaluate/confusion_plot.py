"""A picture of a confusion matrix."""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Sequence

import numpy as np

_DOTS_PER_INCH = 150
_LARGEST_INCHES = 40.0


def check_plot() -> None:
    """Raise ModuleNotFoundError, before any work, where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ModuleNotFoundError("the picture of confusions needs matplotlib: pip install 'hear_cacophony[tasks]'")


def plot_confusion(path: pathlib.Path, matrix: np.ndarray, classes: Sequence[str], title: str) -> None:
    """Draw a confusion matrix as PNG: the part of each class's clips that was taken for each class.

    Args:
        path: the file to write.
        matrix: numbers of clips, shape (classes, classes), rows are the classes.
        classes: their names.
        title: stands above it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    parts = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    inches = min(_LARGEST_INCHES, 2.5 + 0.14 * len(classes))
    with matplotlib.rc_context({"font.size": 6, "text.parse_math": False}):
        figure = Figure(figsize=(inches + 1, inches), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("taken for")
        axes.set_ylabel("class")
        axes.set_title(title)
        figure.colorbar(image, label="part of the class's clips", shrink=0.6)
        figure.savefig(path, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
