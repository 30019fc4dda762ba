"""Sounds that could not be read: said at the end, and listed in a file where that is asked for."""

from __future__ import annotations

import csv
import io
import pathlib
import sys
from collections.abc import Mapping

from hear_cacophony.files.atomic_write import write_text
from hear_cacophony.printable import as_text, on_one_line

_HEADER = "file,fault\n"


def check_errors_file(path: pathlib.Path | None) -> None:
    """Raise, before any work, where `tell_faults` could not write its file.

    Raises:
        FileExistsError: there is something else than an earlier list.
        FileNotFoundError: its folder is not there.
    """
    if path is None:
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--errors {path}: no folder {path.parent}")
    if path.exists() and not (path.is_file() and _begins_as_list(path)):
        raise FileExistsError(f"--errors {path}: exists, and is no earlier list of errors; choose another name")


def _begins_as_list(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER.encode()


def tell_faults(faults: Mapping[str, str], command: str, errors: pathlib.Path | None = None) -> int:
    """Say on standard error which files could not be read; the exit status.

    Args:
        faults: what is wrong with them, by name.
        command: stands before the remarks.
        errors: a file for the same as CSV; where nothing is wrong it holds the header alone.
    """
    for name, fault in faults.items():
        tell(f"{command}: {on_one_line(name)}: {fault}")
    if faults:
        tell(f"{command}: {len(faults)} files could not be read and were left out")
    write_errors(faults, errors)
    return 1 if faults else 0


def write_errors(faults: Mapping[str, str], errors: pathlib.Path | None) -> None:
    """Write the list of --errors, where one is asked for; arguments as in `tell_faults`."""
    if errors is not None:
        check_errors_file(errors)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((as_text(name), fault) for name, fault in faults.items())
        write_text(errors, _HEADER + text.getvalue())


def tell(message: str) -> None:
    """Say something on standard error."""
    print(message, file=sys.stderr, flush=True)
