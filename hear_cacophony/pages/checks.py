"""Whether pages can be made, and where: looked at before any work."""

from __future__ import annotations

import pathlib

from hear_cacophony.installed import check_installed

GENERATOR = '<meta name="generator" content="hear-cacophony">'
"""In each page, near its beginning: what has it is ours, and may be replaced."""

INDEX = "index.html"

_NEEDED = ("jinja2", "plotly", "matplotlib")
"""matplotlib brings pillow along."""

_HEAD_CHARACTERS = 2000


def check_pages(folder: pathlib.Path) -> bool:
    """Whether there are pages of ours in `folder`, which `write_pages` would replace.

    Raises:
        ModuleNotFoundError: a package is missing that pages are made with.
        FileExistsError: it is a file, or holds something else.
    """
    check_installed("pages need", *_NEEDED, extra="pages")
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise FileExistsError(f"{folder}: expected a folder for pages, or a name for one, got a file")
    if not any(folder.iterdir()):
        return False
    if not _is_ours(folder / INDEX):
        raise FileExistsError(
            f"{folder}: expected an empty folder, a new one or earlier pages, got one that holds something else; "
            "choose another name"
        )
    return True


def check_page(file: pathlib.Path) -> bool:
    """Whether there is a page of ours under this name, which `write_page` would replace.

    Raises:
        ModuleNotFoundError: a package is missing that pages are made with.
        ValueError: the name does not end in .html.
        FileExistsError: there is something else under it, or under the name of the folder beside it.
        FileNotFoundError: its folder is not there.
    """
    check_installed("pages need", *_NEEDED, extra="pages")
    if file.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{file}: expected the name of a page, which ends in .html")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{file}: no folder {file.parent}")
    ours = _is_ours(file)
    if file.exists() and not ours:
        raise FileExistsError(f"{file}: exists, and is no page of hear-cacophony; choose another name")
    if files_beside(file).exists() and not ours:
        raise FileExistsError(
            f"{files_beside(file)}: exists, and files of the page would go there; choose another name"
        )
    return ours


def files_beside(file: pathlib.Path) -> pathlib.Path:
    """The folder with the files of a single page."""
    return file.with_name(f"{file.stem}_files")


def _is_ours(page: pathlib.Path) -> bool:
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as opened:
        return GENERATOR in opened.read(_HEAD_CHARACTERS)
