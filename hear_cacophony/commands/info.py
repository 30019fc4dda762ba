"""The command `hear-cacophony info`."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hear_cacophony.checkpoint.checkpoint import CheckpointSummary


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `info` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser("info", help="describe a checkpoint", description="Describe a checkpoint.")
    parser.add_argument("file", help="a published checkpoint, a converted .safetensors file, or random, random-tiny")
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.checkpoint.load import load_summary

    print(describe(load_summary(args.file)))
    return 0


def describe(summary: CheckpointSummary) -> str:
    """What is printed: stage, sizes, parameter counts, and which release the file is."""
    stage, config = summary.stage, summary.config
    sizes = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items())
    release = f"the published {summary.release.file_name}" if summary.release else "not a published file"
    remarks = {stage.encoder_path: "", stage.pool_path: "", **dict.fromkeys(stage.text_paths, "  (text side)")}
    counts = [
        f"  {name:<22}{count:>13,}{remarks.get(name, '  (not loaded)')}"
        for name, count in sorted(summary.parameter_counts.items())
    ]
    return "\n".join(
        [
            f"stage:       {stage.number}, {stage.title} (module {stage.module})",
            f"sizes:       {sizes}",
            f"source:      {summary.source}{' (untrained)' if summary.untrained else ''}",
            f"MD5:         {summary.md5 or 'none'}, {release}",
            "parameters:",
            *counts,
        ]
    )
