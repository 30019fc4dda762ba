"""How long checkpoints take to load."""

from __future__ import annotations

import pathlib
import statistics
from typing import Any

from hear_cacophony.checkpoint import UNTRAINED
from hear_tasks.benchmark.config import Config, load_quietly, tell
from hear_tasks.benchmark.timing import seconds_of

_ROUNDS = 3


def measure_loading(config: Config) -> dict[str, Any]:
    """Median seconds from the file to the model on its devices, of each file; it has been read before."""
    files = [file for file in config.files if file not in UNTRAINED]
    if not files:
        return {"skipped": "no checkpoint was named; --model FILE, once or more"}
    return {"files": {file: _measure(file, config.precision) for file in files}}


def _measure(file: str, precision: str) -> dict[str, Any]:
    tell(f"loading {file}")
    seconds = [seconds_of(lambda: load_quietly(file, precision)) for _ in range(_ROUNDS)]
    return {"bytes": pathlib.Path(file).stat().st_size, "seconds": statistics.median(seconds)}


def describe_loading(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    return [
        (pathlib.Path(file).name, f"{each['seconds']:.2f} s for {each['bytes'] / 1e6:,.0f} MB")
        for file, each in result["files"].items()
    ]
