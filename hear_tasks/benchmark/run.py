"""What the benchmark measures, the machine that it measures on, and its table."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from hear_cacophony.checkpoint import UNTRAINED, summarize_checkpoint
from hear_cacophony.engine.devices import Devices
from hear_cacophony.engine.options import PRECISIONS
from hear_cacophony.installed import installed_versions
from hear_tasks.benchmark import embed, encoder, predict, projection, start, text, training
from hear_tasks.benchmark.config import SCALES, Config
from hear_tasks.entry_point import Parser

# In this order: a process of its own finds the memory of an accelerator taken once this one has used it.
SECTIONS: dict[str, tuple[Callable[[Config], dict[str, Any]], Callable[[dict[str, Any]], list[tuple[str, str]]]]] = {
    "start": (start.measure_start, start.describe_start),
    "loading": (start.measure_loading, start.describe_loading),
    "encoder": (encoder.measure_encoder, encoder.describe_encoder),
    "precision": (encoder.measure_precisions, encoder.describe_precisions),
    "compilations": (embed.measure_compilations, embed.describe_compilations),
    "embed": (embed.measure_embed, embed.describe_embed),
    "text": (text.measure_text, text.describe_text),
    "training": (training.measure_training, training.describe_training),
    "predict": (predict.measure_predict, predict.describe_predict),
}
ON_REQUEST = ("training", "predict")
"""Sections that are measured where they are named alone: 20 minutes and 24 GB, an hour or more."""

PROJECTION = "projection"
PACKAGES = ("hear_cacophony", "jax", "jaxlib", "flax", "numpy", "soundfile", "heareval", "tensorflow-cpu", "tensorflow")


def measure_and_tell(argv: Sequence[str] | None) -> None:
    """Measure what the arguments ask for, and print it.

    Raises:
        OSError, ValueError: they are at fault.
    """
    args = _parser().parse_args(argv)
    _check_files(args.model)
    _check_target(args.json)
    result = measure(args.model, args.precision, scale=args.scale, only=args.only)
    print(format_result(result))
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m hear_tasks.benchmark",
        description="Speed and memory on this machine, each ratio from one run: the encoder beside the device's own "
        "matrix products, embed beside the encoder alone and beside heareval's own runner, with --only predict the "
        "predictions beside heareval's, and with --only training its steps.",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="FILE",
        help="checkpoint; may be repeated: all are loaded, the first is measured (default: untrained weights)",
    )
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="of matrix products")
    scale = parser.add_mutually_exclusive_group()
    for name, shown in {
        "full": "full-size encoder, minutes (the default)",
        "short": "full-size encoder, few rounds",
        "quick": "tiny encoder, seconds: to see that all is there",
    }.items():
        scale.add_argument(f"--{name}", dest="scale", action="store_const", const=name, default="full", help=shown)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=(*SECTIONS, PROJECTION),
        metavar="SECTION",
        help=f"may be repeated: {', '.join((*SECTIONS, PROJECTION))} (default: all but {', '.join(ON_REQUEST)})",
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures to a file")
    return parser


def _check_files(names: Sequence[str]) -> None:
    for name in names:
        if name not in UNTRAINED:
            summarize_checkpoint(name)


def _check_target(file: pathlib.Path | None) -> None:
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir():
        raise ValueError(f"{file}: expected a file in a folder that exists")


def measure(
    files: Sequence[str], precision: str = PRECISIONS[0], *, scale: str = "full", only: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure sections.

    Args:
        files: checkpoints or names of untrained weights; the first is measured. Untrained weights unless given.
        precision: of the matrix products.
        scale: a name in `SCALES`.
        only: names in `SECTIONS`, or "projection"; all but those `ON_REQUEST` unless given.

    Returns:
        Figures for JSON: "machine", "model", "scale", and "sections", each with its figures or with the reason
        why it was "skipped".
    """
    with tempfile.TemporaryDirectory(prefix="hear-cacophony-benchmark-") as folder:
        config = Config(files or [SCALES[scale].model], precision, SCALES[scale], pathlib.Path(folder))
        wanted = only or [name for name in SECTIONS if name not in ON_REQUEST]
        sections = {name: take(config) for name, (take, _) in SECTIONS.items() if name in wanted}
        if not only or PROJECTION in only:
            sections[PROJECTION] = projection.project_embedding(sections)
        machine = describe_machine()
    return {
        "machine": machine,
        "model": config.files[0],
        "precision": precision,
        "scale": scale,
        "sections": sections,
    }


def format_result(result: dict[str, Any]) -> str:
    """The table of what `measure` found."""
    describe = {name: describe for name, (_, describe) in SECTIONS.items()}
    describe[PROJECTION] = projection.describe_projection
    measured = ("measured", f"{result['model']}, {result['precision']}, {result['scale']}")
    tables = {"machine": [*machine_lines(result["machine"]), measured]}
    for name, section in result["sections"].items():
        skipped = [("not measured", section["skipped"])] if "skipped" in section else None
        tables[name] = skipped or describe[name](section)
    return _format_table(tables)


def describe_machine() -> dict[str, Any]:
    """The devices that jax sees, the processor, and versions of what is installed."""
    devices = Devices()
    return {
        "devices": [devices.kind] * len(devices),
        "platform": devices.platform,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "versions": {"python": platform.python_version(), **installed_versions(PACKAGES)},
    }


def _processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine_lines(machine: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    return [
        ("device", f"{len(machine['devices'])} x {machine['devices'][0]} ({machine['platform']})"),
        ("processor", f"{machine['processor']}, {machine['cores']} cores; load {machine['load_average']:.1f}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine["versions"].items())),
    ]


def _format_table(sections: dict[str, list[tuple[str, str]]]) -> str:
    """Sections of lines, each a name and what was found."""
    width = max(len(name) for lines in sections.values() for name, _ in lines)
    text = []
    for title, lines in sections.items():
        text.append(title)
        text += [f"  {name:<{width}}  {value}" for name, value in lines]
    return "\n".join(text)
