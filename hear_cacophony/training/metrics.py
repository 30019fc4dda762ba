"""What a run tells of itself: `metrics.csv`, TensorBoard files, and `loss.png`. Made by one process alone."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.files.atomic_write import write_file, write_text
from hear_cacophony.installed import without

METRICS = "metrics.csv"

COLUMNS = ("step", "loss", "learning_rate", "gradient_norm", "held_out_loss", "recall_at_1", "patch_mean_loss")
"""Of `metrics.csv`: nothing in it depends on time."""

PATCH_MEAN = "held out, each patch restored as its mean"
"""What `patch_mean_loss` is called."""

_SMOOTHED = 100
"""About how many points the curve of the loss has: each is the mean of neighbouring steps."""


class Metrics:
    """Writes rows of metrics, one for each step, and the plot.

    Rows beyond the step that a run goes on from are removed: they are written again.
    """

    def __init__(self, folder: pathlib.Path, step: int) -> None:
        """Go on after `step` steps."""
        with without("torch"):  # seconds, for the names of types
            from tensorboardX import SummaryWriter  # extra `train`

        self._folder = folder
        self.file = folder / METRICS
        rows = [row for row in read_metrics(self.file) if int(row["step"]) <= step]
        write_text(self.file, "".join(_line(row) for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]))
        self._stream = self.file.open("a", encoding="utf-8", newline="")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1, flush_secs=30)

    def write(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write rows of `COLUMNS`; of the last three, those that there are."""
        for row in rows:
            self._stream.write(_line(row))
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name, value, int(row["step"]))
        self._stream.flush()

    def sync(self) -> None:
        """Make sure that the rows are on the disk, and draw the plot anew."""
        os.fsync(self._stream.fileno())
        self._board.flush()
        draw_losses(read_metrics(self.file), self._folder / "loss.png")

    def close(self) -> None:
        """Close all files."""
        self._stream.close()
        self._board.close()


def read_metrics(file: pathlib.Path) -> list[dict[str, str]]:
    """Rows of a metrics file by column; none where there is no file. A last line that a kill has cut is left out.

    Raises:
        ValueError: it holds something else; the line is named.
    """
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8-sig").rpartition("\n")[0].splitlines()
    if lines and lines[0] != ",".join(COLUMNS):
        raise ValueError(f"{file}: expected the columns {','.join(COLUMNS)}, found {lines[0][:60]!r}; was it edited?")
    rows = list(csv.DictReader(lines))
    for number, row in enumerate(rows, 2):
        try:
            int(row["step"])
            [float(x) for name, x in row.items() if x or name == "loss"]
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{file}, line {number}: expected a step and its figures ({error}); was it edited?"
            ) from error
    return rows


def draw_losses(rows: Sequence[Mapping[str, str]], picture: pathlib.Path) -> None:
    """Plot the losses of training and of held-out clips against the step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes long to load
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    figure.subplots_adjust(left=0.13, right=0.98, bottom=0.12, top=0.95)  # a layout that is found takes as long again
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    width = -(-len(rows) // _SMOOTHED) or 1
    parts = [rows[i : i + width] for i in range(0, len(rows), width)]
    axes.plot(
        [sum(int(row["step"]) for row in part) / len(part) for part in parts],
        [sum(float(row["loss"]) for row in part) / len(part) for part in parts],
        label="training" if width == 1 else f"training, mean of {width} steps",
    )
    looked = [row for row in rows if row["held_out_loss"]]
    if looked:
        steps = [int(row["step"]) for row in looked]
        axes.plot(steps, [float(row["held_out_loss"]) for row in looked], "o-", label="held out")
        if looked[-1]["patch_mean_loss"]:
            axes.axhline(float(looked[-1]["patch_mean_loss"]), color="0.5", linestyle="--", label=PATCH_MEAN)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.legend()
    write_file(picture, lambda part: figure.savefig(part, format="png", metadata={"Software": None}))


def _line(row: Mapping[str, Any]) -> str:
    return ",".join(_text(row.get(name, "")) for name in COLUMNS) + "\n"


def _text(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
