"""Folders of pages: the files that pages share, the data of their tables, and the pages themselves."""

from __future__ import annotations

import dataclasses
import importlib.resources
import itertools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote_from_bytes

from hear_cacophony.files.atomic_write import write_text
from hear_cacophony.files.build_folder import build_folder
from hear_cacophony.pages.blocks import Column, Page, Plot, Table
from hear_cacophony.pages.checks import FILES, INDEX, check_page, check_pages, files_beside, list_files
from hear_cacophony.pages.render import render
from hear_cacophony.pages.script_data import script_json

_CHUNK_ROWS = 2000
_PLAIN_REM, _SOUND_REM, _LINE_REM, _MARGIN_REM = 2.1, 8.2, 1.35, 0.6
_LANE_REM, _MOST_NAMED, _THIN_LANES_REM = 1.15, 12, 4.5  # as in sound.js and style.css
_PLOTLY = "plotly.min.js"
"""Loaded by plot.js, where a plot is seen."""
_USUAL = ("style.css", "table.js", "sound.js", "plot.js")


def write_pages(folder: pathlib.Path, build: Callable[[PageFolder], object]) -> None:
    """Make a folder of pages, whole or not at all, in place of earlier pages.

    Args:
        folder: where they go.
        build: writes them, "index.html" among them.

    Raises:
        ModuleNotFoundError, OSError: see `check_pages`.
    """
    check_pages(folder)

    def fill(part: pathlib.Path) -> None:
        build(PageFolder(part, part / FILES, FILES))
        assert (part / INDEX).exists(), "the pages begin with an index"
        list_files(part, part / FILES)
        check_pages(folder)  # again: the work may have taken long

    build_folder(folder, fill, replace=True)


def write_page(file: pathlib.Path, build: Callable[[PageFolder], Page]) -> None:
    """Make one page, and a folder of its files beside it, in place of an earlier page.

    Args:
        file: the page; its files go to the folder NAME_files beside it.
        build: gives the page, having added what it needs.

    Raises:
        ModuleNotFoundError, OSError, ValueError: see `check_page`.
    """
    check_page(file)
    files = files_beside(file)
    page: list[str] = []

    def fill(part: pathlib.Path) -> None:
        pages = PageFolder(part, part, quote_from_bytes(os.fsencode(files.name)))
        page.append(pages.render(file.stem, build(pages)))
        list_files(part, part)
        check_page(file)

    build_folder(files, fill, replace=True)
    write_text(file, page[0])


class PageFolder:
    """Pages while they are made."""

    def __init__(self, pages: pathlib.Path, files: pathlib.Path, url: str) -> None:
        """The pages go to `pages`, what they share to `files`, which is at `url` from the pages."""
        self._pages, self._files, self._url = pages, files, url
        files.mkdir(exist_ok=True)

    def add(self, name: str, content: bytes) -> str:
        """Add a file for pages to show; its URL.

        Args:
            name: of letters that mean nothing in a URL, with slashes between folders.
            content: of the file.
        """
        path = self._files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"{self._url}/{name}"

    def write(self, name: str, page: Page) -> None:
        """Write a page, NAME.html."""
        text = self.render(name, page)
        (self._pages / f"{name}.html").write_text(text, encoding="utf-8")

    def render(self, name: str, page: Page) -> str:
        """The text of a page, whose data and scripts are added.

        Args:
            name: of the page, of letters that mean nothing in a URL where there are several pages.
            page: the page.
        """
        numbers = itertools.count()
        blocks = [self._described(f"{name}-{next(numbers)}", block) for block in page.blocks]
        has_plot = any(isinstance(block, Plot) for block in page.blocks)
        scripts = [*_USUAL[1:], *page.scripts]
        for each in (_USUAL[0], *scripts, *([_PLOTLY] if has_plot else [])):
            self._add_asset(each)
        return render(page, blocks, self._url, scripts)

    def _add_asset(self, name: str) -> None:
        target = self._files / name
        if target.exists():
            return
        package, place = ("plotly", "package_data") if name == _PLOTLY else (__package__, "assets")
        with importlib.resources.as_file(importlib.resources.files(package).joinpath(place, name)) as source:
            shutil.copyfile(source, target)

    def _described(self, name: str, block: Any) -> dict[str, Any]:
        """What the template needs to know of a block."""
        described = {"kind": type(block).__name__, "block": block}
        if isinstance(block, Table):
            described["data"] = self._write_rows(name, block)
        elif isinstance(block, Plot):
            described["data"] = {"data": block.data, "layout": block.layout, "config": block.config}
        return described

    def _write_rows(self, name: str, table: Table) -> dict[str, Any]:
        """Write the rows of a table to files that scripts can read without a server; what the page is to know."""
        columns, chunks, count, height = table.columns, [], 0, row_height(table.columns, ())
        for number, rows in enumerate(_chunks(table.rows)):
            file = f"data/{_plain(name)}-{number}.js"
            text = f"hearPages.take({script_json(name)},{number},{script_json(rows)});\n"
            chunks.append(self.add(file, text.encode("ascii")))
            count += len(rows)
            height = max(height, row_height(columns, rows))
        described = [dataclasses.asdict(column) for column in columns]
        return {
            "name": name,
            "chunks": chunks,
            "count": count,
            "height": height,
            "columns": described,
            "sort": table.sort,
        }


def row_height(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> float:
    """Height in rem that every row of a table needs."""
    heights = [_PLAIN_REM]
    for i, column in enumerate(columns):
        cells = [row[i] for row in rows if row[i]]
        if column.kind == "ranked" and cells:
            heights.append(_LINE_REM * max(map(len, cells)) + _MARGIN_REM)
        elif column.kind == "sound":
            heights += [_SOUND_REM, *(_below_rem(cell[3]) for cell in cells if len(cell) > 3)]
    return max(heights)


def _below_rem(below: Mapping[str, Any]) -> float:
    """Height of a sound with what is drawn along its time."""
    if "scores" in below:
        return _SOUND_REM + _LANE_REM * len(below["labels"]) + _LINE_REM
    count = len(below["labels"])
    return _SOUND_REM + (_LANE_REM * count if count <= _MOST_NAMED else _THIN_LANES_REM)


def _chunks(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    left = iter(rows)
    while chunk := list(itertools.islice(left, _CHUNK_ROWS)):
        yield chunk


def _plain(name: str) -> str:
    """A name for a file, of letters that mean nothing in a URL or a path."""
    return "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "_" for each in name)
