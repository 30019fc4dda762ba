"""Where a picture can be drawn to: looked at before any work."""

from __future__ import annotations

import pathlib

from hear_cacophony.installed import check_installed

SUFFIXES = (".png", ".pdf", ".svg")


def check_picture_name(path: pathlib.Path) -> None:
    """Raise where no picture can be drawn under this name, whatever is there now.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: the name ends in none of `SUFFIXES`.
    """
    check_installed("the picture needs", "matplotlib")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: expected a picture that ends in one of {', '.join(SUFFIXES)}")


def check_new_picture(path: pathlib.Path) -> None:
    """Raise where no picture can be drawn to this file, which must not be there.

    Raises:
        ModuleNotFoundError, ValueError: see `check_picture_name`.
        FileExistsError: the file is there.
        FileNotFoundError: its folder is not.
    """
    check_picture_name(path)
    if path.exists():
        raise FileExistsError(f"{path} exists; delete it first, or choose another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder for the picture")
