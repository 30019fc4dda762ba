"""Checkpoint files: the published Flax msgpack files and our converted safetensors files.

A published file holds far more than the audio encoder: optimizer state, a decoder or text
towers. It is walked as a stream: what is not wanted is skipped by seeking and never read
into memory. The text side is read where it is asked for, one array at a time.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import pathlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import safetensors
import safetensors.numpy

from hear_cacophony.checkpoint.flax_file import CheckpointError, FileDigest, Leaf, read_array, scan_flax_file
from hear_cacophony.checkpoint.lazy import LazyParameters
from hear_cacophony.checkpoint.parameters import (
    ATTENTION,
    LAYER,
    TEXT_LAYERS,
    Shapes,
    expected_shapes,
    expected_text_shapes,
)
from hear_cacophony.model.stages import STAGES, EncoderConfig, Release, Stage, TextConfig

logger = logging.getLogger(__name__)

FORMAT = "hear_cacophony"
FORMAT_VERSION = "1"
SUFFIX = ".safetensors"
FLOATS = ("float16", "bfloat16", "float32", "float64", "F16", "BF16", "F32", "F64")
"""Names of the dtypes that can be read as float32, in Flax files and in safetensors files."""

MAX_LAYERS = 1000


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The audio side of one checkpoint, and its text side where that was asked for.

    Attributes:
        stage: which encoder it is, recognised from the parameter names.
        config: sizes, recognised from the shapes.
        parameters: float32 arrays by full path, exactly those of
            `hear_cacophony.checkpoint.parameters.expected_shapes`.
        source: name of the file that the parameters were published or written in.
        md5: MD5 of that file; "" where there is no such file.
        untrained: True for random parameters.
        text_config: sizes of the text side; None where it was not asked for.
        text_parameters: float32 arrays by full path, those of
            `hear_cacophony.checkpoint.parameters.expected_text_shapes`; read when they are
            taken, so that a CheckpointError may come then.
    """

    stage: Stage
    config: EncoderConfig
    parameters: Mapping[str, np.ndarray]
    source: str
    md5: str
    untrained: bool = False
    text_config: TextConfig | None = None
    text_parameters: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def release(self) -> Release | None:
        """The published file with this MD5, if it is one."""
        return find_release(self.md5)


@dataclasses.dataclass(frozen=True)
class CheckpointSummary:
    """What `hear-cacophony info` tells of a file.

    `text_config` is None where the file has no text side. `parameter_counts` counts the values
    in each subtree below `['0']['params']`, also of those that are never loaded.
    """

    stage: Stage
    config: EncoderConfig
    text_config: TextConfig | None
    parameter_counts: Mapping[str, int]
    source: str
    md5: str
    untrained: bool

    @property
    def release(self) -> Release | None:
        """The published file with this MD5, if it is one."""
        return find_release(self.md5)


def find_release(md5: str) -> Release | None:
    """The published file with this MD5, or None."""
    return next((stage.release for stage in STAGES if stage.release.md5 == md5), None)


def read_checkpoint(path: str | os.PathLike[str], stage: Stage | None = None, *, with_text: bool = False) -> Checkpoint:
    """Read the audio side of a checkpoint, and its text side if asked for.

    Args:
        path: a published Flax msgpack file, or a file that `convert_checkpoint` wrote.
        stage: the stage that the file has to hold; either unless given.
        with_text: also give the text side.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is damaged, of another kind, of another stage, has no text
            side where it was asked for, or its parameters are not those of the encoder;
            everything wrong is listed.
    """
    file = _existing_file(path)
    checkpoint = (_read_safetensors if file.suffix == SUFFIX else _read_flax)(file, with_text)
    _check_stage(checkpoint.stage, stage, file)
    _check_finite(checkpoint.parameters, file)
    _report_origin(checkpoint, file)
    return checkpoint


def summarize_checkpoint(path: str | os.PathLike[str]) -> CheckpointSummary:
    """Describe a checkpoint without holding its parameters. Errors as in `read_checkpoint`."""
    file = _existing_file(path)
    if file.suffix == SUFFIX:
        with _open_safetensors(file) as tensors:
            shapes, dtypes = _tensor_forms(tensors)
            metadata = _checked_metadata(tensors.metadata(), file)
        stage, config = metadata.stage, metadata.config
        source, md5, untrained = metadata.source, metadata.md5, metadata.untrained
    else:
        with FileDigest(file) as digest:
            shapes, dtypes = _leaf_forms(scan_flax_file(file))
            md5 = digest.md5()
        stage, config = _recognise(shapes, file)
        source, untrained = file.name, False
    _check_parameters(shapes, dtypes, stage, config, file)
    text_config = _text_sizes(stage, config, shapes) if _has_text(stage, shapes) else None
    counts: Counter[str] = Counter()
    for name, shape in shapes.items():
        counts[name.split("/")[0]] += math.prod(shape)
    return CheckpointSummary(stage, config, text_config, dict(counts), source, md5, untrained)


def convert_checkpoint(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, with_text: bool = False
) -> Checkpoint:
    """Write the audio side of `source` to `target`, a `.safetensors` file with its configuration.

    Args:
        source: a published checkpoint.
        target: the file to write.
        with_text: write the text side, too.

    Raises:
        FileExistsError: `target` exists.
        ValueError: `target` does not end in .safetensors.
        FileNotFoundError: no such source, or no folder for the target.
        OSError: the target cannot be written, such as on a full disk; nothing is left of it.
        CheckpointError: as in `read_checkpoint`.
    """
    file = _new_safetensors_file(target)
    checkpoint = read_checkpoint(source, with_text=with_text)
    _write_safetensors(checkpoint, file)
    return checkpoint


def _existing_file(path: str | os.PathLike[str]) -> pathlib.Path:
    file = pathlib.Path(path)
    if file.is_dir():
        raise CheckpointError(f"{file}: expected a checkpoint file, found a folder; name the file inside it")
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such checkpoint file; is the path right, and is the download finished?")
    if file.stat().st_size == 0:
        raise CheckpointError(f"{file}: the file is empty; an interrupted download or copy? fetch it again")
    return file


# The published files


def _read_flax(file: pathlib.Path, with_text: bool) -> Checkpoint:
    with FileDigest(file) as digest:
        leaves = scan_flax_file(file)
        shapes, dtypes = _leaf_forms(leaves)
        stage, config = _recognise(shapes, file)
        _check_parameters(shapes, dtypes, stage, config, file)
        text_config = _checked_text_sizes(shapes, dtypes, stage, config, file) if with_text else None
        with file.open("rb") as stream:
            parameters = {
                path: np.asarray(read_array(stream, leaves[path], file), np.float32)
                for path in expected_shapes(stage, config)
            }

        def read_one(path: str) -> np.ndarray:
            with file.open("rb") as stream:
                return read_array(stream, leaves[path], file)

        text = _lazy_text(stage, text_config, read_one, file)
        return Checkpoint(stage, config, parameters, file.name, digest.md5(), False, text_config, text)


def _leaf_forms(leaves: Mapping[str, Leaf]) -> tuple[Shapes, dict[str, str]]:
    """Shapes and dtype names by path."""
    return {path: leaf.shape for path, leaf in leaves.items()}, {path: leaf.dtype for path, leaf in leaves.items()}


def _recognise(shapes: Mapping[str, tuple[int, ...]], file: pathlib.Path) -> tuple[Stage, EncoderConfig]:
    """Stage from the names and sizes from the shapes. Contradictions are left to `_check_parameters`."""
    names = {path.split("/")[0] for path in shapes}
    held = [stage for stage in STAGES if stage.encoder_path in names]
    if len(held) != 1:
        wanted = " or ".join(f"{stage.encoder_path} ({stage.title})" for stage in STAGES)
        found = ", ".join(sorted(names)) or "nothing"
        raise CheckpointError(
            f"{file}: expected {wanted} under ['0']['params'], found {found}; is this a Cacophony checkpoint?"
        )
    stage = held[0]
    return stage, _sizes(stage, shapes)


def _sizes(stage: Stage, shapes: Mapping[str, tuple[int, ...]]) -> EncoderConfig:
    published = EncoderConfig()

    def size(path: str, axis: int, otherwise: int) -> int:
        shape = shapes.get(f"{stage.encoder_path}/{path}", ())
        return shape[axis] if axis < len(shape) and shape[axis] > 0 else otherwise

    # A damaged name must not make up more layers than MAX_LAYERS: it is listed as extra instead.
    layer_name = re.compile(re.escape(stage.encoder_path) + "/" + LAYER.format("(0|[1-9][0-9]{0,2})") + "/")
    layers = {int(match[1]) for match in map(layer_name.match, shapes) if match}
    return EncoderConfig(
        hidden_size=size("freq_positional_embedding", 1, published.hidden_size),
        num_layers=max(layers) + 1 if layers else published.num_layers,
        num_heads=size(f"{LAYER.format(0)}/{ATTENTION}/query/kernel", 1, published.num_heads),
        mlp_size=size(f"{LAYER.format(0)}/MLP_0/Dense_0/kernel", 1, published.mlp_size),
    )


# The text side


def _has_text(stage: Stage, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a file has a text side, or a part of one. The scale alone is none."""
    towers = tuple(f"{path}/" for path in stage.text_paths[:-1])
    return bool(towers) and any(path.startswith(towers) for path in shapes)


def _text_sizes(stage: Stage, config: EncoderConfig, shapes: Mapping[str, tuple[int, ...]]) -> TextConfig:
    """Sizes from the shapes. Contradictions are left to `_check_shapes`."""
    published = TextConfig()
    text, _, decoder, _ = stage.text_paths

    def size(path: str, axis: int, otherwise: int) -> int:
        shape = shapes.get(path, ())
        return shape[axis] if axis < len(shape) and 0 < shape[axis] else otherwise

    # The shapes do not tell the number of heads: the kernels join them.
    heads = published.num_heads if config.hidden_size % published.num_heads == 0 else config.num_heads
    layers = f"{TEXT_LAYERS}/intermediate/dense/kernel"
    return TextConfig(
        hidden_size=config.hidden_size,
        vocabulary_size=size(f"{text}/embeddings/word_embeddings/embedding", 0, published.vocabulary_size),
        positions=size(f"{text}/embeddings/position_embeddings/embedding", 0, published.positions),
        num_layers=size(f"{text}/{layers}", 0, published.num_layers),
        decoder_layers=size(f"{decoder}/{layers}", 0, published.decoder_layers),
        num_heads=heads,
        mlp_size=size(f"{text}/{layers}", 2, published.mlp_size),
    )


def _checked_text_sizes(
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str],
    stage: Stage,
    config: EncoderConfig,
    file: pathlib.Path,
) -> TextConfig:
    if not stage.text_paths:
        with_text = next(other for other in STAGES if other.text_paths)
        raise CheckpointError(
            f"{file}: stage {stage.number} ({stage.title}) has no text side; texts and captions need stage "
            f"{with_text.number}, {with_text.release.file_name}"
        )
    if not _has_text(stage, shapes):
        raise CheckpointError(
            f"{file}: this file holds the audio side alone; convert the published file once more, with: "
            f"hear-cacophony convert --towers all {stage.release.file_name} OUT{SUFFIX}"
        )
    text_config = _text_sizes(stage, config, shapes)
    expected = expected_text_shapes(stage, text_config)
    problems = _shape_problems(shapes, dtypes, expected, stage.text_paths)
    if problems:
        listed = "\n  ".join(problems)
        raise CheckpointError(f"{file}: the parameters are not those of the text side of {stage.title}:\n  {listed}")
    return text_config


def _lazy_text(
    stage: Stage, config: TextConfig | None, read: Callable[[str], np.ndarray], file: pathlib.Path
) -> Mapping[str, np.ndarray]:
    """The text side's arrays, each read and checked when it is taken."""

    def read_checked(path: str) -> np.ndarray:
        array = np.asarray(read(path), np.float32)
        _check_finite({path: array}, file)
        return array

    return LazyParameters([] if config is None else expected_text_shapes(stage, config), read_checked)


# Converted files


@dataclasses.dataclass(frozen=True)
class _Metadata:
    stage: Stage
    config: EncoderConfig
    source: str
    md5: str
    untrained: bool


def _read_safetensors(file: pathlib.Path, with_text: bool) -> Checkpoint:
    with _open_safetensors(file) as tensors:
        metadata = _checked_metadata(tensors.metadata(), file)
        stage, config, forms = metadata.stage, metadata.config, _tensor_forms(tensors)
        _check_parameters(*forms, stage, config, file)
        text_config = _checked_text_sizes(*forms, stage, config, file) if with_text else None
        parameters = {path: np.asarray(tensors.get_tensor(path), np.float32) for path in expected_shapes(stage, config)}

    def read_one(path: str) -> np.ndarray:
        # Opened anew for each array: what was read through the file's mapping counts as memory while that is there.
        with _open_safetensors(file) as tensors:
            return tensors.get_tensor(path)

    text = _lazy_text(stage, text_config, read_one, file)
    return Checkpoint(**vars(metadata), parameters=parameters, text_config=text_config, text_parameters=text)


def _tensor_forms(tensors) -> tuple[Shapes, dict[str, str]]:
    """Shapes and dtype names by path."""
    slices = {path: tensors.get_slice(path) for path in tensors.keys()}  # noqa: SIM118
    shapes = {path: tuple(each.get_shape()) for path, each in slices.items()}
    return shapes, {path: each.get_dtype() for path, each in slices.items()}


def _open_safetensors(file: pathlib.Path):
    try:
        return safetensors.safe_open(file, framework="numpy")
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file}: not a readable .safetensors file ({error}); an interrupted copy? convert the checkpoint again"
        ) from error


def _checked_metadata(metadata: Mapping[str, str] | None, file: pathlib.Path) -> _Metadata:
    metadata = metadata or {}
    if metadata.get("format") != FORMAT or metadata.get("format_version") != FORMAT_VERSION:
        found = f"{metadata.get('format', 'none')} {metadata.get('format_version', '')}".strip()
        raise CheckpointError(
            f"{file}: expected the configuration of a converted checkpoint ({FORMAT} {FORMAT_VERSION}), found {found}; "
            "make the file with: hear-cacophony convert IN OUT.safetensors"
        )
    try:
        stage = next(stage for stage in STAGES if stage.name == metadata["stage"])
        config = _checked_config(json.loads(metadata["config"]))
        untrained = {"true": True, "false": False}[metadata["untrained"]]
        return _Metadata(stage, config, metadata["source"], metadata["md5"], untrained)
    except (KeyError, StopIteration, TypeError, ValueError) as error:
        raise CheckpointError(f"{file}: the configuration in the file is damaged ({error!r})") from error


def _checked_config(sizes: Mapping[str, int]) -> EncoderConfig:
    config = EncoderConfig(**sizes)
    wrong = {name: size for name, size in vars(config).items() if type(size) is not int or size < 1}
    if wrong or config.num_layers > MAX_LAYERS:
        raise ValueError(f"impossible sizes: {wrong or {'num_layers': config.num_layers}}")
    return config


def _new_safetensors_file(target: str | os.PathLike[str]) -> pathlib.Path:
    file = pathlib.Path(target)
    if file.suffix != SUFFIX:
        raise ValueError(f"{file}: expected a target that ends in {SUFFIX}")
    if file.exists():
        raise FileExistsError(f"{file} exists; delete it first, or choose another name")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{file.parent}: no such folder for the converted checkpoint")
    return file


def _write_safetensors(checkpoint: Checkpoint, file: pathlib.Path) -> None:
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "stage": checkpoint.stage.name,
        "config": json.dumps(dataclasses.asdict(checkpoint.config)),
        "source": checkpoint.source,
        "md5": checkpoint.md5,
        "untrained": json.dumps(checkpoint.untrained),
    }
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".convert-") as folder:
        part = pathlib.Path(folder) / file.name
        part.touch()
        usual_mode = part.stat().st_mode
        try:
            safetensors.numpy.save_file({**checkpoint.parameters, **checkpoint.text_parameters}, part, metadata)
        except safetensors.SafetensorError as error:
            raise OSError(f"{file}: could not be written ({error}); is the disk full?") from error
        part.chmod(usual_mode)  # safetensors leaves it readable by its owner alone
        part.replace(file)


# Checks


def _check_stage(found: Stage, wanted: Stage | None, file: pathlib.Path) -> None:
    if wanted is not None and found is not wanted:
        raise CheckpointError(
            f"{file}: expected stage {wanted.number} ({wanted.title}), found stage {found.number} ({found.title}); "
            f"load it with the module {found.module}"
        )


def _check_parameters(
    found: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str],
    stage: Stage,
    config: EncoderConfig,
    file: pathlib.Path,
) -> None:
    """Raise one CheckpointError with every missing, extra and misshapen parameter, and those that are no floats."""
    subtrees = [path for path in (stage.encoder_path, stage.pool_path) if path]
    problems = _shape_problems(found, dtypes, expected_shapes(stage, config), subtrees)
    if config.hidden_size % config.num_heads or config.hidden_size % config.pool_heads:
        problems.append(f"hidden size {config.hidden_size} is not a multiple of the number of heads")
    if problems:
        listed = "\n  ".join(problems)
        raise CheckpointError(f"{file}: the parameters are not those of the {stage.title} encoder:\n  {listed}")


def _shape_problems(
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


def _check_finite(parameters: Mapping[str, np.ndarray], file: pathlib.Path) -> None:
    bad = [path for path, array in parameters.items() if not np.isfinite(array).all()]
    if bad:
        raise CheckpointError(f"{file}: NaN or infinite values in {', '.join(bad)}; did training diverge?")


def _report_origin(checkpoint: Checkpoint, file: pathlib.Path) -> None:
    if checkpoint.release is not None:
        logger.info("%s: the published %s (MD5 %s)", file, checkpoint.release.file_name, checkpoint.md5)
    elif not checkpoint.untrained:
        logger.info("%s: MD5 %s is not that of a published file", file, checkpoint.md5)
