"""Arguments and output that the commands on sounds of one's own share."""

from __future__ import annotations

import argparse
import csv
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add the files and folders."""
    parser.add_argument("paths", nargs="+", metavar="FILE", help="audio files, or folders of them")


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add --json and --csv, which take the place of the table."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print one JSON object")
    group.add_argument("--csv", action="store_true", help="print CSV")


def add_errors_option(parser: argparse.ArgumentParser) -> None:
    """Add --errors."""
    parser.add_argument(
        "--errors", type=pathlib.Path, metavar="F.csv", help="list the files that could not be read, and why, there"
    )


def add_html_option(parser: argparse.ArgumentParser) -> None:
    """Add --html."""
    parser.add_argument(
        "--html", type=pathlib.Path, metavar="F.html", help="the same as a page, too, with players and spectrograms"
    )


def check_html(path: pathlib.Path | None) -> None:
    """Raise, before any work, where the page of --html cannot be written."""
    if path is not None:
        from hear_cacophony.pages import check_page

        check_page(path)


def format_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def format_json(about: Mapping[str, Any], files: Mapping[str, Any]) -> str:
    """What there is about each file, beside model and options."""
    return as_json({**about, "files": dict(files)})


def as_json(content: Mapping[str, Any]) -> str:
    """One JSON object for people to read, too."""
    return json.dumps(content, indent=1) + "\n"


def read_lines(path: pathlib.Path, option: str, what: str) -> list[str]:
    """The lines of a file with a word in them.

    Args:
        path: the file.
        option: that names it.
        what: is in a line.

    Raises:
        ValueError: it cannot be read as text, or has no such line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a label may hold what Unicode has as line ends
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{option} {path}: expected a text file in UTF-8, {what} in each line: {error}") from None
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise ValueError(f"{option} {path}: expected {what} in each line, the file has none")
    return found


def split_labels(labels: str) -> list[str]:
    """Labels between commas, as in a row of CSV: one with a comma of its own stands in quotes."""
    try:
        [row] = csv.reader([labels], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"--labels {labels}: expected labels between commas, quotes in pairs ({error})") from error
    return [label.strip() for label in row]
