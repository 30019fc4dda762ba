"""Converted files: the audio side of a checkpoint, or all of it, as .safetensors, with its configuration."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import warnings
from collections.abc import Mapping

import numpy as np

from hear_cacophony.checkpoint.checkpoint import Checkpoint, CheckpointError, CheckpointSummary, count_parameters
from hear_cacophony.checkpoint.checks import MAX_LAYERS, check_parameters
from hear_cacophony.checkpoint.file_md5 import DIGEST_BLOCK, FileDigest
from hear_cacophony.checkpoint.parameters import Shapes, expected_shapes
from hear_cacophony.checkpoint.text_side import checked_text_sizes, has_text, lazy_text, text_sizes
from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.json_file import parse_json
from hear_cacophony.files.sorted_safetensors import save_sorted
from hear_cacophony.model.stages import EncoderConfig, Stage, find_stage

FORMAT = "hear_cacophony"
FORMAT_VERSION = "1"
SUFFIX = ".safetensors"

_CONTENT = "content_md5"
"""Entry of the metadata: the MD5 of all the file, with zeros in place of this."""
_NO_MD5 = "0" * 32


@dataclasses.dataclass(frozen=True)
class _Metadata:
    stage: Stage
    config: EncoderConfig
    source: str
    md5: str
    untrained: bool

    def known_as(self, content: str, own: str, file: pathlib.Path) -> _Metadata:
        """With the source and MD5 that the file is known by: those of its origin as long as it holds what that held.

        Args:
            content: what the file says its content is; "" in files of earlier versions.
            own: what it is.
            file: the file.
        """
        if not self.md5 or content == own:
            return dataclasses.replace(self, md5=self.md5 or own)
        origin = f"{self.source} (MD5 {self.md5})"
        why = (
            f"holds something else than was converted from {origin}: it was edited, or is damaged"
            if content
            else f"does not tell whether it still holds what came from {origin}, as it is of an earlier version"
        )
        told = f"{file}: {why}; it is known by its own MD5, {own}, until it is converted again"
        warnings.warn(told, stacklevel=1)  # from one place, so that it is told once, however often the file is opened
        return dataclasses.replace(self, source=file.name if content else self.source, md5=own)


def read_converted_file(file: pathlib.Path, *, with_text: bool = False, with_audio: bool = True) -> Checkpoint:
    """Read a converted file, and its text side if asked for.

    Raises:
        CheckpointError: it is of another kind, or damaged, or its parameters are not those of its configuration.
    """
    with _open_safetensors(file) as tensors:
        metadata = _checked_metadata(tensors.metadata(), file)
        stage, config, forms = metadata.stage, metadata.config, _tensor_forms(tensors)
        content = _noted_content(tensors)
        with FileDigest(file, without=content) as digest:
            check_parameters(*forms, stage, config, file)
            text_config = checked_text_sizes(*forms, stage, config, file) if with_text else None
            wanted = expected_shapes(stage, config) if with_audio else {}
            parameters = {path: np.asarray(tensors.get_tensor(path), np.float32) for path in wanted}
            metadata = metadata.known_as(content, digest.md5(), file)

    def read_one(path: str, rows: slice | None) -> np.ndarray:
        # Opened anew for each array: what was read through the file's mapping counts as memory while that is there.
        with _open_safetensors(file) as tensors:
            return tensors.get_tensor(path) if rows is None else tensors.get_slice(path)[rows]

    text = lazy_text(stage, text_config, read_one, file)
    return Checkpoint(**vars(metadata), parameters=parameters, text=text)


def summarize_converted_file(file: pathlib.Path) -> CheckpointSummary:
    """Describe a converted file; errors as in `read_converted_file`."""
    with _open_safetensors(file) as tensors:
        shapes, dtypes = _tensor_forms(tensors)
        metadata, content = _checked_metadata(tensors.metadata(), file), _noted_content(tensors)
    check_parameters(shapes, dtypes, metadata.stage, metadata.config, file)
    with FileDigest(file, without=content) as digest:
        metadata = metadata.known_as(content, digest.md5(), file)
    text_config = text_sizes(metadata.stage, metadata.config, shapes) if has_text(metadata.stage, shapes) else None
    return CheckpointSummary(**vars(metadata), text_config=text_config, parameter_counts=count_parameters(shapes))


def _tensor_forms(tensors) -> tuple[Shapes, dict[str, str]]:
    """Shapes and dtype names by path."""
    slices = {path: tensors.get_slice(path) for path in tensors.keys()}  # noqa: SIM118
    shapes = {path: tuple(each.get_shape()) for path, each in slices.items()}
    return shapes, {path: each.get_dtype() for path, each in slices.items()}


def _open_safetensors(file: pathlib.Path):
    import safetensors  # here, as untrained weights need no file

    try:
        return safetensors.safe_open(file, framework="numpy")
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file}: not a readable .safetensors file ({error}); an interrupted copy? convert the checkpoint again"
        ) from error


def _noted_content(tensors) -> str:
    return (tensors.metadata() or {}).get(_CONTENT, "")


def _checked_metadata(metadata: Mapping[str, str] | None, file: pathlib.Path) -> _Metadata:
    metadata = metadata or {}
    if metadata.get("format") != FORMAT or metadata.get("format_version") != FORMAT_VERSION:
        found = f"{metadata.get('format', 'none')} {metadata.get('format_version', '')}".strip()
        raise CheckpointError(
            f"{file}: expected the configuration of a converted checkpoint ({FORMAT} {FORMAT_VERSION}), found {found}; "
            "make the file with: hear-cacophony convert IN OUT.safetensors"
        )
    try:
        stage = find_stage(metadata["stage"])
        config = _checked_config(parse_json(metadata["config"]))
        untrained = {"true": True, "false": False}[metadata["untrained"]]
        return _Metadata(stage, config, metadata["source"], metadata["md5"], untrained)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file}: the configuration in the file is damaged ({error!r})") from error


def _checked_config(sizes: Mapping[str, int]) -> EncoderConfig:
    config = EncoderConfig(**sizes)
    wrong = {name: size for name, size in vars(config).items() if type(size) is not int or size < 1}
    if wrong or config.num_layers > MAX_LAYERS:
        raise ValueError(f"impossible sizes: {wrong or {'num_layers': config.num_layers}}")
    return config


def new_converted_file(target: str | os.PathLike[str]) -> pathlib.Path:
    """The path of a converted file that can be written.

    Raises:
        FileExistsError: `target` exists.
        ValueError: `target` does not end in .safetensors.
        FileNotFoundError: no folder for the target.
    """
    file = pathlib.Path(target)
    if file.suffix != SUFFIX:
        raise ValueError(f"{file}: expected a target that ends in {SUFFIX}")
    if file.exists():
        raise FileExistsError(f"{file} exists; delete it first, or choose another name")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{file.parent}: no such folder for the converted checkpoint")
    return file


def write_converted_file(checkpoint: Checkpoint, file: pathlib.Path) -> None:
    """Write a converted file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "stage": checkpoint.stage.name,
        "config": json.dumps(dataclasses.asdict(checkpoint.config)),
        "source": checkpoint.source,
        "md5": checkpoint.md5,
        "untrained": json.dumps(checkpoint.untrained),
        _CONTENT: _NO_MD5,
    }
    parameters = {**checkpoint.parameters, **(checkpoint.text.parameters if checkpoint.text else {})}

    def save(part: pathlib.Path) -> None:
        save_sorted(parameters, part, metadata)
        _note_content(part)

    write_file(file, save)


def _note_content(file: pathlib.Path) -> None:
    with file.open("r+b") as stream:
        md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        stream.seek(0)
        entry = f'"{_CONTENT}":"'.encode()
        stream.seek(stream.read(DIGEST_BLOCK).index(entry) + len(entry))
        stream.write(md5.encode())
