"""Whether what a checkpoint file holds is what the encoder needs."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from hear_cacophony.checkpoint.checkpoint import CheckpointError
from hear_cacophony.checkpoint.parameters import Shapes, expected_shapes
from hear_cacophony.model.stages import EncoderConfig, Stage

FLOATS = ("float16", "bfloat16", "float32", "float64", "F16", "BF16", "F32", "F64")
"""Names of the dtypes that can be read as float32, in Flax files and in safetensors files."""

MAX_LAYERS = 1000
"""More layers than any encoder has: a file that names more is damaged."""


def check_stage(found: Stage, wanted: Stage | None, file: pathlib.Path) -> None:
    """Raise CheckpointError if a file is of another stage than the one wanted."""
    if wanted is not None and found is not wanted:
        raise CheckpointError(
            f"{file}: expected stage {wanted.number} ({wanted.title}), found stage {found.number} ({found.title}); "
            f"load it with the module {found.module}"
        )


def check_parameters(
    found: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str],
    stage: Stage,
    config: EncoderConfig,
    file: pathlib.Path,
) -> None:
    """Raise one CheckpointError with every missing, extra and misshapen parameter, and those that are no floats."""
    subtrees = [path for path in (stage.encoder_path, stage.pool_path) if path]
    problems = shape_problems(found, dtypes, expected_shapes(stage, config), subtrees)
    if config.hidden_size % config.num_heads or config.hidden_size % config.pool_heads:
        problems.append(f"hidden size {config.hidden_size} is not a multiple of the number of heads")
    report_problems(problems, f"the {stage.title} encoder", file)


def report_problems(problems: Sequence[str], owner: str, file: pathlib.Path) -> None:
    """Raise CheckpointError if there are problems with the parameters of `owner`."""
    if problems:
        listed = "\n  ".join(problems)
        raise CheckpointError(f"{file}: the parameters are not those of {owner}:\n  {listed}")


def shape_problems(
    found: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, str], expected: Shapes, subtrees: Iterable[str]
) -> list[str]:
    """What is wrong with the parameters in `subtrees`, one line each."""
    below = tuple(f"{path}/" for path in subtrees)
    problems = [f"missing: {path} {shape}" for path, shape in expected.items() if path not in found]
    problems += [
        f"extra: {path} {shape}" for path, shape in found.items() if path.startswith(below) and path not in expected
    ]
    problems += [
        f"misshapen: {path}: expected {shape}, found {found[path]}"
        for path, shape in expected.items()
        if path in found and found[path] != shape
    ]
    problems += [
        f"no floats: {path}: expected one of {', '.join(FLOATS[:4])}, found {dtypes[path]}"
        for path in expected
        if path in found and dtypes[path] not in FLOATS
    ]
    return problems


def check_finite(parameters: Mapping[str, np.ndarray], file: pathlib.Path) -> None:
    """Raise CheckpointError with the parameters that hold NaN or infinite values."""
    bad = [path for path, array in parameters.items() if not np.isfinite(array).all()]
    if bad:
        raise CheckpointError(f"{file}: NaN or infinite values in {', '.join(bad)}; did training diverge?")
