"""Where weights come from: a named file, this machine's folder of published files, or chance."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import warnings
import zlib

import numpy as np

from hear_cacophony.checkpoint.lazy import LazyParameters
from hear_cacophony.checkpoint.parameters import TEXT_LAYERS, expected_shapes, expected_text_shapes
from hear_cacophony.checkpoint.read import SUFFIX, Checkpoint, read_checkpoint
from hear_cacophony.model.stages import CACOPHONY, STAGES, TINY, TINY_TEXT, EncoderConfig, Stage, TextConfig

FOLDER_VARIABLE = "HEAR_CACOPHONY_WEIGHTS"
"""Environment variable: the folder of the published files, or the name of untrained weights."""

UNTRAINED = {"random": EncoderConfig(), "random-tiny": TINY}
"""Sizes of the untrained encoders, by the name that stands in for a file."""

UNTRAINED_TEXT = {"random": TextConfig(), "random-tiny": TINY_TEXT}
"""Sizes of their text sides."""

PUBLISHED_FOLDER = "the Google Drive folder 1lZHJuClyn4FK_Fhn92ylQqyAd40uJv0Y"
SEED = 0
FIRST_TEMPERATURE = 0.07
"""Of an untrained model's similarities, as Radford et al., 2021, begin with."""


def load_checkpoint(path: str | os.PathLike[str], stage: Stage | None = None, *, with_text: bool = False) -> Checkpoint:
    """The checkpoint that `path` names.

    Args:
        path: a file; or a name in `UNTRAINED`, with a warning; or "" for what `find_weights`
            finds. With "" and a name in `UNTRAINED` in HEAR_CACOPHONY_WEIGHTS, that.
        stage: the stage wanted; untrained weights are of stage 2 unless given.
        with_text: also give the text side, which stage 2 has.

    Raises:
        FileNotFoundError: no such file, or no weights on this machine.
        CheckpointError: see `hear_cacophony.checkpoint.read_checkpoint`.
    """
    name = os.fspath(path)
    if name == "" and os.environ.get(FOLDER_VARIABLE) in UNTRAINED:
        name = os.environ[FOLDER_VARIABLE]
    if name in UNTRAINED:
        return untrained_checkpoint(name, stage or CACOPHONY, with_text=with_text)
    return read_checkpoint(name or find_weights(stage), stage, with_text=with_text)


def find_weights(stage: Stage | None = None) -> pathlib.Path:
    """The published file of `stage` on this machine, or its converted form, which loads faster.

    It is looked for in the folder that HEAR_CACOPHONY_WEIGHTS names, if it is set, then in the
    user's cache folder (`hear_cacophony` below XDG_CACHE_HOME, or below ~/.cache); the first
    folder that has it wins.

    Raises:
        FileNotFoundError: none is there, or the variable names no folder.
        ValueError: `stage` is None and one folder has both stages.
    """
    folders = _weights_folders()
    stages = STAGES if stage is None else (stage,)
    for folder in folders:
        found = {wanted: file for wanted in stages if (file := _find_in(folder, wanted)) is not None}
        if len(found) > 1:
            modules = " or ".join(each.module for each in found)
            raise ValueError(f"{folder} holds the weights of both stages; use the module {modules}, or name a file")
        if found:
            return next(iter(found.values()))
    raise FileNotFoundError(_where_to_get_weights(folders, stages))


def _weights_folders() -> list[pathlib.Path]:
    """Where to look, in order."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cached = pathlib.Path(cache) / "hear_cacophony"
    named = os.environ.get(FOLDER_VARIABLE)
    return [_named_folder(named), cached] if named else [cached]


def _named_folder(named: str) -> pathlib.Path:
    folder = pathlib.Path(named)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{FOLDER_VARIABLE}={named}: no such folder; expected the folder that holds the published files, "
            f"or {' or '.join(UNTRAINED)} for untrained weights"
        )
    return folder


def _find_in(folder: pathlib.Path, stage: Stage) -> pathlib.Path | None:
    published = folder / stage.release.file_name
    candidates = (published.with_suffix(SUFFIX), published)
    return next((file for file in candidates if file.is_file()), None)


def _where_to_get_weights(folders: list[pathlib.Path], stages: tuple[Stage, ...]) -> str:
    files = " and ".join(f"{stage.release.file_name} (MD5 {stage.release.md5})" for stage in stages)
    return (
        f"no weights found in {' or '.join(map(str, folders))}. They are published in {PUBLISHED_FOLDER}: {files}. "
        f"Put them there, or set {FOLDER_VARIABLE} to their folder, or name a file: load_model(path). "
        'Untrained weights: load_model("random").'
    )


def untrained_checkpoint(name: str, stage: Stage, *, with_text: bool = False) -> Checkpoint:
    """Random weights of `stage`, the same in every process, with a warning that they are untrained.

    Args:
        name: "random" (full size) or "random-tiny".
        with_text: also give the text side, which stage 2 has.
    """
    warnings.warn(
        f"{name!r}: these weights of {stage.title} are untrained; scores made with them are a "
        "random-initialisation baseline, not those of the model",
        stacklevel=2,
    )
    config = UNTRAINED[name]
    parameters = {path: _draw(path, shape) for path, shape in expected_shapes(stage, config).items()}
    checkpoint = Checkpoint(stage, config, parameters, source=name, md5="", untrained=True)
    return _with_untrained_text(checkpoint) if with_text else checkpoint


def _with_untrained_text(checkpoint: Checkpoint) -> Checkpoint:
    config = UNTRAINED_TEXT[checkpoint.source]
    shapes = expected_text_shapes(checkpoint.stage, config)
    text = LazyParameters(shapes, lambda path: _draw(path, shapes[path]))
    return dataclasses.replace(checkpoint, text_config=config, text_parameters=text)


def _draw(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """The usual initial value of a parameter: LeCun normal kernels, unit scales, zero biases."""
    leaf = path.rsplit("/", 1)[-1]
    if leaf == "logit_scale":
        return np.asarray(np.log(1 / FIRST_TEMPERATURE), np.float32)
    if leaf == "scale":
        return np.ones(shape, np.float32)
    if leaf == "bias":
        return np.zeros(shape, np.float32)
    normal = np.random.default_rng([SEED, zlib.crc32(path.encode())]).standard_normal(shape, np.float32)
    if leaf == "kernel":
        joins_heads = path.endswith("/out/kernel")
        fan_in = np.prod(shape[:2]) if joins_heads else shape[-2 if TEXT_LAYERS in path else 0]
        return normal / np.float32(np.sqrt(fan_in))
    return normal if leaf == "query" else np.float32(0.02) * normal
