"""The arguments that name a HEAR module, ours or any plugin, and tasks, alike in all commands that take them."""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from hear_cacophony.files.json_file import parse_json

OURS = "hear_cacophony"
_COST_OF_PEERS = "those of hear_tasks.plugins need 20 passes of 5 to 10 s for each second of an event task"


def add_module_options(
    parser: argparse.ArgumentParser,
    *,
    model: str = "what load_model takes; ours: a checkpoint, or random",
    module: str = "HEAR module, ours or any plugin (default: ours, by the stage of the checkpoint)",
) -> None:
    """Add --model, --module, --model-options and --python, with help for the first two."""
    parser.add_argument("--model", default="", metavar="PATH", help=model)
    parser.add_argument("--module", metavar="NAME", help=f"{module}; {_COST_OF_PEERS}")
    parser.add_argument(
        "--model-options", type=json_object, default={}, metavar="JSON", help="keyword arguments for its load_model"
    )
    parser.add_argument("--python", metavar="EXE", help="interpreter of the environment that the plugin lives in")


def add_task_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --task, with several names behind it, and again; `what` is its help."""
    parser.add_argument("--task", nargs="+", action="extend", default=[], metavar="NAME", help=what)


def json_object(text: str) -> dict[str, Any]:
    """A JSON object given as an argument."""
    try:
        content = parse_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"""expected JSON such as '{{"key": 1}}', got {text!r} ({error})""") from None
    if not isinstance(content, dict):
        raise argparse.ArgumentTypeError(f"""expected a JSON object such as '{{"key": 1}}', got {text!r}""")
    return content


def is_ours(module: str | None) -> bool:
    """Whether a HEAR module is of this package, as it is where none is named."""
    return module is None or module.partition(".")[0] == OURS


def merge_options(module: str | None, json_options: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options for `load_model`, from --model-options and from flags of our own engine.

    Raises:
        ValueError: an option is given twice, or a flag to a plugin, which does not know it.
    """
    if flags and not is_ours(module):
        raise ValueError(
            f"{', '.join(flags)}: options of this package's own modules; what {module} takes goes into --model-options"
        )
    twice = json_options.keys() & flags.keys()
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))}: given by --model-options and by a flag; expected one of the two")
    return {**json_options, **flags}


def folder_name(module: str, options: Mapping[str, Any]) -> str:
    """The folder of a model's embeddings, named as heareval does."""
    return "-".join([module, *(f"{_slug(name)}={_slug(str(value))}" for name, value in options.items())])


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=\d),(?=\d)", "", plain)).strip("-")
