"""Whether pages can be made, and where, without loss of what is there: looked at before any work."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.files.json_file import read_json_object
from hear_cacophony.installed import check_installed

GENERATOR = '<meta name="generator" content="hear-cacophony">'
"""In each page, near its beginning: what has it is ours, and may be replaced."""

INDEX = "index.html"
FILES = "files"
"""The folder, beside the pages, with the files that they share."""

_LIST = "list.json"
"""Among the files of pages: the names of all that was made with them, which alone they may be replaced with."""

_NEEDED = ("jinja2", "plotly", "matplotlib")
"""matplotlib brings pillow along."""

_HEAD_CHARACTERS = 2000


def check_pages(folder: pathlib.Path) -> bool:
    """Whether there are pages of ours in `folder`, which `write_pages` would replace.

    Raises:
        ModuleNotFoundError: a package is missing that pages are made with.
        FileExistsError: it is a file, or holds something else, beside earlier pages too.
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
    _check_files(folder, folder / FILES)
    return True


def check_page(file: pathlib.Path) -> bool:
    """Whether there is a page of ours under this name, which `write_page` would replace.

    Raises:
        ModuleNotFoundError: a package is missing that pages are made with.
        ValueError: the name does not end in .html.
        FileExistsError: there is something else under it, or under the name of the folder beside it, or in that.
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
    if files_beside(file).exists():
        _check_files(files_beside(file), files_beside(file))
    return ours


def files_beside(file: pathlib.Path) -> pathlib.Path:
    """The folder with the files of a single page."""
    return file.with_name(f"{file.stem}_files")


def list_files(folder: pathlib.Path, files: pathlib.Path) -> None:
    """Write down, in the folder of their files, all that was made with the pages in `folder`."""
    (files / _LIST).touch()
    write_json(files / _LIST, {"files": sorted(_names(folder))})


def _check_files(folder: pathlib.Path, files: pathlib.Path) -> None:
    """Raise FileExistsError where `folder` holds what was not made with the pages whose files are in `files`."""
    try:
        made = read_json_object(files / _LIST).get("files")
    except (OSError, ValueError):
        made = None
    others = sorted(set(_names(folder)) - set(map(str, made if isinstance(made, list) else [])))
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise FileExistsError(
            f"{folder / others[0]}{more}: not made with the earlier pages there (see {files / _LIST}), "
            "and would be deleted with them; move it elsewhere, or choose another name for the pages"
        )


def _names(folder: pathlib.Path) -> Iterator[str]:
    """What is below a folder, from it: files, links to anything, folders that are empty or cannot be read."""
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in (*files, *links) if files or folders else ("",):
            yield os.path.relpath(os.path.join(parent, name), folder)


def _is_ours(page: pathlib.Path) -> bool:
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as opened:
        return GENERATOR in opened.read(_HEAD_CHARACTERS)
