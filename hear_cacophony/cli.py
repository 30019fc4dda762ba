"""The `hear-cacophony` command."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from hear_cacophony.checkpoint import CheckpointSummary, convert_checkpoint, summarize_checkpoint
from hear_tasks import demo_tasks, leaderboard_command, prepare
from hear_tasks.doctor import command as doctor_command
from hear_tasks.embed import command as embed_command
from hear_tasks.predict import command as predict_command


def main(argv: list[str] | None = None) -> int:
    """Run one command; 1 if its input was at fault, with the reason on standard error."""
    parser = argparse.ArgumentParser(
        prog="hear-cacophony", description="Checkpoints of AudioMAE and Cacophony, and HEAR tasks."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_info(commands)
    _add_convert(commands)
    for command in (demo_tasks, prepare, doctor_command, embed_command, predict_command, leaderboard_command):
        command.add_parser(commands)
    args = parser.parse_args(argv)
    try:
        return args.func(args)
    except (OSError, ValueError) as error:
        print(f"hear-cacophony: {error}", file=sys.stderr)
        return 1


def _add_info(commands) -> None:
    parser = commands.add_parser("info", help="describe a checkpoint", description="Describe a checkpoint.")
    parser.add_argument("file", help="a published checkpoint, or a converted .safetensors file")
    parser.set_defaults(func=_info)


def _info(args: argparse.Namespace) -> int:
    print(describe(summarize_checkpoint(args.file)))
    return 0


def _add_convert(commands) -> None:
    parser = commands.add_parser(
        "convert",
        help="write the audio side of a checkpoint as .safetensors",
        description="Write the audio side of a checkpoint, with its configuration: smaller, and quicker to load.",
    )
    parser.add_argument("source", metavar="IN", help="a published checkpoint")
    parser.add_argument("target", metavar="OUT.safetensors", help="the file to write, which must not exist")
    parser.set_defaults(func=_convert)


def _convert(args: argparse.Namespace) -> int:
    checkpoint = convert_checkpoint(args.source, args.target)
    print(f"{args.target}: stage {checkpoint.stage.number}, {checkpoint.stage.title}")
    return 0


def describe(summary: CheckpointSummary) -> str:
    """What `info` prints: stage, sizes, parameter counts, and which release the file is."""
    stage, config = summary.stage, summary.config
    sizes = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items())
    release = f"the published {summary.release.file_name}" if summary.release else "not a published file"
    audio = (stage.encoder_path, stage.pool_path)
    counts = [
        f"  {name:<22}{count:>13,}{'' if name in audio else '  (not loaded)'}"
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


if __name__ == "__main__":
    sys.exit(main())
