"""A picture of scores along time: for each sound a row for each label, the darker the less."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.picture_file import check_new_picture
from hear_cacophony.printable import on_one_line

MOST_SOUNDS, MOST_LABELS = 12, 40

_DOTS_PER_INCH = 150
_WIDTH_INCHES, _ROW_INCHES, _SOUND_INCHES = 10.0, 0.22, 0.7
_LONGEST_NAME = 100


def check_along_picture(path: pathlib.Path, sounds: int, labels: int) -> None:
    """Raise what `draw_along` would raise, before any work.

    Raises:
        ValueError: there are too many sounds or labels.
        ModuleNotFoundError, ValueError, OSError: see `check_new_picture`.
    """
    if sounds > MOST_SOUNDS or labels > MOST_LABELS:
        raise ValueError(
            f"--plot: expected at most {MOST_SOUNDS} sounds and {MOST_LABELS} labels in a picture, got {sounds} and "
            f"{labels}; name some of the files"
        )
    check_new_picture(path)


def draw_along(
    path: pathlib.Path,
    sounds: Sequence[tuple[str, Sequence[tuple[float, float]], np.ndarray]],
    labels: Sequence[str],
    measure: str,
) -> None:
    """Draw scores along time.

    Args:
        path: the file to write, whole or not at all; its ending says which kind.
        sounds: of each its name, start and end of its excerpts in seconds, and their scores, shape (excerpts, labels).
        labels: the labels.
        measure: what the scores are.
    """
    import matplotlib
    from matplotlib.figure import Figure

    height = len(sounds) * (_SOUND_INCHES + _ROW_INCHES * len(labels)) + 0.6
    low = min(float(scores.min()) for *_, scores in sounds) if measure == "similarity" else 0.0
    high = max(float(scores.max()) for *_, scores in sounds) if measure == "similarity" else 1.0
    with matplotlib.rc_context({"font.size": 8, "text.parse_math": False}):
        figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
        axes = figure.subplots(len(sounds), 1, squeeze=False)[:, 0]
        for axis, (name, times, scores) in zip(axes, sounds, strict=True):
            edges = [times[0][0], *(end for _, end in times)]
            rows = np.arange(len(labels) + 1)
            mesh = axis.pcolormesh(edges, rows, scores.T, cmap="cividis", vmin=low, vmax=high, shading="flat")
            axis.set_yticks(rows[:-1] + 0.5, [on_one_line(label)[:40] for label in labels])
            axis.invert_yaxis()
            axis.set_title(on_one_line(name)[-_LONGEST_NAME:], loc="left")
        axes[-1].set_xlabel("seconds")
        figure.colorbar(mesh, ax=list(axes), label=measure, fraction=0.03)
        kind = path.suffix.lower()[1:]
        write_file(path, lambda part: figure.savefig(part, format=kind, dpi=_DOTS_PER_INCH))
