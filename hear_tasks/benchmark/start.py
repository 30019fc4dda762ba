"""What it takes to start: how long checkpoints take to load, and what only a process of its own can tell: time to the
first embedding, memory, and long clips.

    python -m hear_tasks.benchmark.start MODEL PRECISION STARTED LONG_SECONDS

prints the figures of one such process as JSON. STARTED is the time at which it was started, in seconds as
`time.time` tells it; without LONG_SECONDS above 0 it ends after the first embedding.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from hear_cacophony.checkpoint import UNTRAINED
from hear_cacophony.engine.embedding import EmbeddingModel
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_tasks.benchmark.config import Config, load_quietly, tell
from hear_tasks.benchmark.encoder import noise
from hear_tasks.benchmark.memory import LoadedMemory
from hear_tasks.benchmark.timing import seconds_of

SHORT_SECONDS = 30
_SHORT_ROUNDS = 3
_LOADING_ROUNDS = 3


def measure_start(config: Config) -> dict[str, Any]:
    """Time to the first embedding with an empty compilation cache and with that of an earlier process; long clips.

    Raises:
        ChildProcessError: such a process failed; what it said is on standard error.
    """
    tell("first embedding, nothing compiled before")
    with tempfile.TemporaryDirectory(dir=config.folder) as cache:
        cold = _run(config, cache, 0)
        tell(f"first embedding, compiled before; then a clip of {config.scale.long_seconds} s")
        warm = _run(config, cache, config.scale.long_seconds)
    return {"cold": cold, "warm": warm}


def _run(config: Config, cache: str, long_seconds: int) -> dict[str, Any]:
    # The package's own cache, in a folder of its own.
    names = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env["XDG_CACHE_HOME"] = cache
    arguments = [config.files[0], config.precision, repr(time.time()), str(long_seconds)]
    command = [sys.executable, "-m", __name__, *arguments]
    # Ctrl-C is not for it: this process ends it.
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False, process_group=0)
    if done.returncode:
        raise ChildProcessError(f"the process for {config.files[0]} failed with status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def describe_start(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    cold, warm = result["cold"], result["warm"]
    long = warm["long"]
    return [
        ("first embedding, cold", f"{cold['first_embedding_seconds']:.1f} s from the start of Python"),
        (
            "first embedding, warm",
            f"{warm['first_embedding_seconds']:.1f} s, of which the model {warm['load_seconds']:.1f} s",
        ),
        ("memory, model loaded", f"{warm['loaded_bytes'] / 1e9:.2f} GB"),
        (f"memory, {SHORT_SECONDS} s clips", f"at most {long['short_bytes_above_loaded'] / 1e9:.2f} GB more"),
        (
            f"{long['seconds']} s clip",
            f"at most {long['bytes_above_loaded'] / 1e9:.2f} GB more; a second of its audio costs "
            f"{long['cost_beside_short']:.2f} times that of a {SHORT_SECONDS} s clip",
        ),
    ]


def measure_loading(config: Config) -> dict[str, Any]:
    """Median seconds from the file to the model on its devices, of each file; it has been read before."""
    files = [file for file in config.files if file not in UNTRAINED]
    if not files:
        return {"skipped": "no checkpoint was named; --model FILE, once or more"}
    return {"files": {file: _measure_file(file, config.precision) for file in files}}


def _measure_file(file: str, precision: str) -> dict[str, Any]:
    tell(f"loading {file}")
    seconds = [seconds_of(lambda: load_quietly(file, precision)) for _ in range(_LOADING_ROUNDS)]
    return {"bytes": pathlib.Path(file).stat().st_size, "seconds": statistics.median(seconds)}


def describe_loading(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    return [
        (pathlib.Path(file).name, f"{each['seconds']:.2f} s for {each['bytes'] / 1e6:,.0f} MB")
        for file, each in result["files"].items()
    ]


def main() -> None:
    """Measure in this process."""
    path, precision, started, long_seconds = sys.argv[1:]
    print(json.dumps(probe(path, precision, float(started), int(long_seconds))))


def probe(path: str, precision: str, started: float, long_seconds: int) -> dict[str, Any]:
    """Load a model, embed a clip of 1 s, and then one of `long_seconds` between shorter ones, unless that is 0."""
    imported = time.time()
    model = load_quietly(path, precision)
    loaded = time.time()
    memory = LoadedMemory(model.devices)
    model.embed_scenes([_clip(1)])
    result: dict[str, Any] = {
        "import_seconds": imported - started,
        "load_seconds": loaded - imported,
        "first_embedding_seconds": time.time() - started,
        "loaded_bytes": memory.loaded,
    }
    if long_seconds:
        result["long"] = _long_clip(model, memory, long_seconds)
    return result


def _long_clip(model: EmbeddingModel, memory: LoadedMemory, seconds: int) -> dict[str, Any]:
    short, long = _clip(SHORT_SECONDS), _clip(seconds)

    def times() -> list[float]:
        return [seconds_of(lambda: model.embed_scenes([short])) for _ in range(_SHORT_ROUNDS)]

    model.embed_scenes([short])
    before = times()
    short_bytes = memory.above()
    long_time = seconds_of(lambda: model.embed_scenes([long]))
    short_time = statistics.median(before + times())
    return {
        "seconds": seconds,
        "bytes_above_loaded": memory.above(),
        "short_bytes_above_loaded": short_bytes,
        "clip_seconds": long_time,
        "short_clip_seconds": short_time,
        "cost_beside_short": (long_time / seconds) / (short_time / SHORT_SECONDS),
    }


def _clip(seconds: int) -> np.ndarray:
    return noise(seconds * SAMPLE_RATE).astype(np.float32) / 32_768


if __name__ == "__main__":
    main()
