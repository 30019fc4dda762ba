"""Arguments and output that the commands with words share."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any


def add_tokenizer_option(parser: argparse.ArgumentParser) -> None:
    """Add --tokenizer."""
    parser.add_argument(
        "--tokenizer",
        metavar="PATH",
        help="tokenizer.json, or its folder (default: beside the checkpoint, then in the weights folder)",
    )


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
