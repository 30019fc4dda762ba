"""Arguments and output that the commands on sounds of one's own share."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add the files and folders."""
    parser.add_argument("paths", nargs="+", metavar="FILE", help="audio files, or folders of them")


def take_options_between(parser: argparse.ArgumentParser) -> None:
    """Have options stand between positional arguments, too: `search TEXT --model M FOLDER`."""
    plain = parser.parse_known_args

    def parse(args: Any = None, namespace: Any = None) -> Any:
        parser.parse_known_args = plain  # type: ignore[method-assign]
        try:
            return parser.parse_known_intermixed_args(args, namespace)
        finally:
            parser.parse_known_args = parse  # type: ignore[method-assign]

    parser.parse_known_args = parse  # type: ignore[method-assign]


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add --json and --csv, which take the place of the table."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print one JSON object")
    group.add_argument("--csv", action="store_true", help="print CSV")


def format_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def format_json(about: Mapping[str, Any], files: Mapping[str, Any]) -> str:
    """What there is about each file, beside model and options."""
    return json.dumps({**about, "files": dict(files)}, indent=1) + "\n"
