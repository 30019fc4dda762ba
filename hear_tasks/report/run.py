"""The report of HEAR predictions: a page for each task, and one over all."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence

from hear_cacophony.pages import Page, PageFolder, SoundCells, Text, check_pages, write_pages
from hear_cacophony.pages.blocks import Block
from hear_cacophony.printable import on_one_line
from hear_tasks.leaderboard import Model, read_models
from hear_tasks.report.clip_blocks import clip_blocks
from hear_tasks.report.event_blocks import event_blocks
from hear_tasks.report.label_blocks import label_blocks, label_names
from hear_tasks.report.overview import overview
from hear_tasks.report.predicted import Predicted, read_predicted
from hear_tasks.report.score_blocks import fold_blocks, grid_blocks
from hear_tasks.report.settings import Settings
from hear_tasks.report.task_sounds import TaskSounds
from hear_tasks.report.trainings import read_trainings

_OVERVIEW = ("all tasks", "index.html")


def write_report(
    folders: Sequence[pathlib.Path],
    out: pathlib.Path,
    settings: Settings,
    names: Mapping[pathlib.Path, str] | None = None,
    tell: Callable[[str], object] = lambda message: print(f"report: {message}", file=sys.stderr, flush=True),
) -> bool:
    """Write a report of the models below some folders.

    Args:
        folders: as `leaderboard` takes them.
        out: a new folder, an empty one, or an earlier report, which it replaces.
        settings: what it is to hold.
        names: names for models, by their folder.
        tell: takes remarks and the progress.

    Returns:
        Whether every task has a whole score.

    Raises:
        OSError, ValueError: a folder holds no models, none has a score, or `out` holds something else.
        ModuleNotFoundError: a package is not installed.
    """
    existed = check_pages(out)
    models = read_models(folders, names)
    if not any(model.scores for model in models):
        for problem in (problem for model in models for problem in model.problems):
            tell(problem)
        raise ValueError("no task has a whole score, so there is nothing to report; run the predictions first")
    write_pages(out, lambda pages: _Report(models, settings, pages, tell).write())
    tell(f"{out}: {'replaced' if existed else 'written'}; open {out / 'index.html'}")
    return not any(model.problems for model in models)


class _Report:
    """The pages of a report while they are made."""

    def __init__(
        self, models: Sequence[Model], settings: Settings, pages: PageFolder, tell: Callable[[str], object]
    ) -> None:
        self._models, self._settings, self._pages, self._tell = models, settings, pages, tell
        self._cells = SoundCells(pages, settings.audio)

    def write(self) -> None:
        """Write all pages."""
        tasks = sorted({task for model in self._models for task in model.scores})
        links = {task: f"{name}.html" for task, name in _page_names(tasks).items()}
        for number, (task, link) in enumerate(links.items(), 1):
            self._tell(f"{on_one_line(task)} ({number} of {len(tasks)})")
            self._write_task(task, link.removesuffix(".html"))
        self._pages.write("index", overview(self._models, links, self._pages, published=self._settings.published))

    def _write_task(self, task: str, name: str) -> None:
        place = None if self._settings.tasks_dir is None else self._settings.tasks_dir / task
        place = place if place is not None and place.is_dir() else None
        models = [model for model in self._models if task in model.scores]
        found = {model.title: read_predicted(model.folder / task, place) for model in models}
        trainings = {model.title: read_trainings(model.folder / task, found[model.title].scores) for model in models}
        sounds = TaskSounds(place, self._cells)
        blocks = [*fold_blocks(found), *grid_blocks(trainings)]
        shown, others = _comparable(found)
        if shown:
            blocks += [*label_blocks(shown), *self._clip_blocks(shown, sounds, name)]
        gaps = [*self._gaps(task, found, place), *others, *sounds.gaps()]
        told = [Text(gaps, warns=True)] if gaps else []
        self._pages.write(name, Page(task, [*told, *blocks], [_OVERVIEW]))

    def _clip_blocks(self, found: Mapping[str, Predicted], sounds: TaskSounds, name: str) -> list[Block]:
        pictures = self._settings.pictures
        if next(iter(found.values())).is_event:
            return event_blocks(found, sounds, pictures)
        return clip_blocks(found, sounds, pictures, self._pages.add, name)

    def _gaps(self, task: str, found: Mapping[str, Predicted], place: pathlib.Path | None) -> list[str]:
        """What is not there of a task: scores, predictions, its folder."""
        folders = [str(model.folder / task) for model in self._models]
        gaps = [
            problem
            for model in self._models
            for problem in model.problems
            if any(problem.startswith((f"{folder}:", f"{folder}/")) for folder in folders)
        ]
        gaps += [f"{title}: {gap}" for title, predicted in found.items() for gap in predicted.gaps]
        if self._settings.tasks_dir is None:
            gaps.append("No --tasks-dir was given, so clips are without audio.")
        elif place is None:
            gaps.append(f"{self._settings.tasks_dir}: no {task} in it, so clips are without audio; has it moved?")
        return gaps


def _comparable(found: Mapping[str, Predicted]) -> tuple[dict[str, Predicted], list[str]]:
    """The models whose predictions can stand side by side, and why others cannot."""
    shown = {title: predicted for title, predicted in found.items() if predicted.tests and predicted.metrics}
    told = [
        f"{title}: its metadata do not tell what kind of task it is: its clips and labels are not shown"
        for title, predicted in found.items()
        if predicted.tests and not predicted.metrics
    ]
    for title, predicted in list(shown.items())[1:]:
        first, expected = next(iter(shown.items()))
        if (label_names(predicted), predicted.is_event) != (label_names(expected), expected.is_event):
            told.append(f"{title}: other labels than those of {first}: its clips and labels are not shown")
            del shown[title]
    return shown, told


def _page_names(tasks: Sequence[str]) -> dict[str, str]:
    """A name for the page of each task, of letters that mean nothing in a URL, and none twice."""
    names: dict[str, str] = {}
    for number, task in enumerate(tasks):
        plain = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "_" for each in task)
        taken = plain in names.values() or plain != task or plain == "index"
        names[task] = f"{plain[:100]}-{number}" if taken else plain
    return names
