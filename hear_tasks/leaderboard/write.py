"""The leaderboard of some folders in every form that is asked for, with a remark on whatever is not whole."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

from hear_cacophony.files.atomic_write import write_file, write_text
from hear_tasks.leaderboard.formats import Markdown, Text, format_csv, format_leaderboard, left_out_of_csv
from hear_tasks.leaderboard.models import read_models
from hear_tasks.leaderboard.plot import check_plot, plot_leaderboard
from hear_tasks.leaderboard.published import left_out_of_table, published_rows
from hear_tasks.leaderboard.table import incomplete_columns, tasks_not_run

IN_PLACE_OF_TEXT = pathlib.Path("-")
"""Stands for the file of a form that is shown in place of the text."""


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Where the forms of the leaderboard go.

    Attributes:
        markdown: a file, or `IN_PLACE_OF_TEXT`; None: it is not made.
        csv: the same for the official CSV.
        plot: the same for the plot, which can only be a file.
    """

    markdown: pathlib.Path | None = None
    csv: pathlib.Path | None = None
    plot: pathlib.Path | None = None

    def check(self) -> None:
        """Raise OSError, ValueError or ModuleNotFoundError where one cannot be written, before anything is read."""
        files = [path for path in (self.markdown, self.csv, self.plot) if path not in (None, IN_PLACE_OF_TEXT)]
        if self.markdown == self.csv == IN_PLACE_OF_TEXT:
            raise ValueError("--markdown and --csv cannot both take the place of the text; give one of them a FILE")
        if len({path.resolve() for path in files}) < len(files):
            raise ValueError(f"expected a file for each output, got {', '.join(map(str, files))}")
        for path in files:
            if path.is_dir():
                raise IsADirectoryError(f"{path}: expected a file to write, got a folder")
            if not path.parent.is_dir():
                raise FileNotFoundError(f"{path}: no folder {path.parent}")
        if self.plot:
            check_plot(self.plot)


def write_leaderboard(
    folders: Sequence[pathlib.Path],
    outputs: Outputs,
    show: Callable[[str], object],
    tell: Callable[[str], object],
    *,
    names: Mapping[pathlib.Path, str] | None = None,
    published: bool = False,
    published_table: bool = False,
    unofficial: bool = False,
    width: int | None = None,
) -> bool:
    """Read the models below some folders and write their leaderboard.

    Args:
        folders: as for `read_models`.
        outputs: what is made besides the text, or in its place.
        show: takes the text, or what takes its place.
        tell: takes remarks, a line each.
        names: names for models, by their folder.
        published: whether each model is set beside all published rows.
        published_table: whether the published table is shown with the models in it.
        unofficial: whether scores with reservations are let into the CSV, marked in the name of their model.
        width: characters in a line of the text; None: any.

    Returns:
        Whether every task has a whole score.

    Raises:
        OSError, ValueError: a folder holds no models, none has a score, or a file cannot be written.
        ModuleNotFoundError: the plot needs matplotlib, which is not installed.
    """
    outputs.check()
    found = read_models(folders, names)
    problems = [problem for model in found for problem in (*model.problems, *incomplete_columns(model))]
    for message in (*problems, *tasks_not_run(found)):
        tell(message)
    models = [model for model in found if model.scores]
    if not models:
        raise ValueError("no task has a whole score, so there is nothing to show")
    if outputs.plot:
        check_plot(outputs.plot, models)
    beside = {"rows": published, "table": published_table}
    for message in left_out_of_table(models) if published_table else ():
        tell(message)
    if IN_PLACE_OF_TEXT not in (outputs.markdown, outputs.csv):
        show(format_leaderboard(models, Text(width), **beside) + "\n")
    if outputs.markdown:
        _write_text(outputs.markdown, format_leaderboard(models, Markdown(), **beside) + "\n", show, tell)
    if outputs.csv:
        _write_text(outputs.csv, format_csv(models, unofficial=unofficial), show, tell)
        for message in left_out_of_csv(models, unofficial=unofficial):
            tell(message)
    if outputs.plot:
        _write(
            outputs.plot,
            lambda path: write_file(
                path, lambda part: plot_leaderboard(part, models, published_rows() if any(beside.values()) else ())
            ),
            tell,
        )
    return not problems


def _write_text(path: pathlib.Path, text: str, show: Callable[[str], object], tell: Callable[[str], object]) -> None:
    if path == IN_PLACE_OF_TEXT:
        show(text)
    else:
        _write(path, lambda path: write_text(path, text), tell)


def _write(path: pathlib.Path, write: Callable[[pathlib.Path], None], tell: Callable[[str], object]) -> None:
    """Write a file, and tell whether there was one before."""
    existed = path.is_file()
    write(path)
    tell(f"{path}: {'replaced' if existed else 'written'}")
