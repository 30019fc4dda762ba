"""The published files, Flax msgpack: the audio side of what a training run left.

A file holds far more than the audio encoder: optimizer state, a decoder or text towers. It is
walked as a stream; what is not wanted is never read into memory. The text side is read where it is
asked for, one array at a time.
"""

from __future__ import annotations

import codecs
import math
import pathlib
import re
from collections.abc import Mapping
from typing import BinaryIO

import ml_dtypes
import numpy as np

from hear_cacophony.checkpoint.checkpoint import Checkpoint, CheckpointError, CheckpointSummary, count_parameters
from hear_cacophony.checkpoint.checks import check_parameters
from hear_cacophony.checkpoint.file_md5 import FileDigest
from hear_cacophony.checkpoint.msgpack_scanner import Leaf, MsgpackScanner
from hear_cacophony.checkpoint.parameters import ATTENTION, LAYER, Shapes, expected_shapes
from hear_cacophony.checkpoint.text_side import checked_text_sizes, has_text, lazy_text, text_sizes
from hear_cacophony.model.stages import STAGES, EncoderConfig, Stage

FOREIGN = (
    (b"\x80\x02", "a Python pickle, which is never loaded: it could run any code"),
    (b"\x80\x03", "a Python pickle, which is never loaded: it could run any code"),
    (b"\x80\x04", "a Python pickle, which is never loaded: it could run any code"),
    (b"\x80\x05", "a Python pickle, which is never loaded: it could run any code"),
    (b"PK\x03\x04", "a zip archive, such as a PyTorch checkpoint or an unpacked download"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"RIFF", "a WAV file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"<", "a web page, such as Google Drive's answer to a failed download; fetch the file again"),
    (b"{", "a JSON or text file"),
    (b"[", "a JSON or text file"),
    (b"version https://git-lfs", "a Git LFS pointer instead of the file; run git lfs pull"),
)


def read_flax_file(file: pathlib.Path, *, with_text: bool = False, with_audio: bool = True) -> Checkpoint:
    """Read the audio side of a published file, and its text side if asked for.

    Raises:
        CheckpointError: it is of another kind, truncated or damaged, or its parameters are not those of an encoder.
    """
    with FileDigest(file) as digest:
        leaves = scan_flax_file(file)
        shapes, dtypes = leaf_forms(leaves)
        stage, config = _recognise(shapes, file)
        check_parameters(shapes, dtypes, stage, config, file)
        text_config = checked_text_sizes(shapes, dtypes, stage, config, file) if with_text else None
        wanted = expected_shapes(stage, config) if with_audio else {}
        with file.open("rb") as stream:
            parameters = {path: np.asarray(read_array(stream, leaves[path], file), np.float32) for path in wanted}

        def read_one(path: str, rows: slice | None) -> np.ndarray:
            with file.open("rb") as stream:
                return read_array(stream, leaves[path], file, rows)

        text = lazy_text(stage, text_config, read_one, file)
        return Checkpoint(stage, config, parameters, file.name, digest.md5(), text=text)


def summarize_flax_file(file: pathlib.Path) -> CheckpointSummary:
    """Describe a published file; errors as in `read_flax_file`."""
    with FileDigest(file) as digest:
        shapes, dtypes = leaf_forms(scan_flax_file(file))
        stage, config = _recognise(shapes, file)
        check_parameters(shapes, dtypes, stage, config, file)
        text_config = text_sizes(stage, config, shapes) if has_text(stage, shapes) else None
        counts = count_parameters(shapes)
        return CheckpointSummary(stage, config, text_config, counts, file.name, digest.md5(), untrained=False)


def leaf_forms(leaves: Mapping[str, Leaf]) -> tuple[Shapes, dict[str, str]]:
    """Shapes and dtype names by path."""
    return {path: leaf.shape for path, leaf in leaves.items()}, {path: leaf.dtype for path, leaf in leaves.items()}


def _recognise(shapes: Mapping[str, tuple[int, ...]], file: pathlib.Path) -> tuple[Stage, EncoderConfig]:
    """Stage from the names and sizes from the shapes. Contradictions are left to `check_parameters`."""
    names = {path.split("/")[0] for path in shapes}
    held = [stage for stage in STAGES if stage.encoder_path in names]
    if len(held) != 1:
        wanted = " or ".join(f"{stage.encoder_path} ({stage.title})" for stage in STAGES)
        found = ", ".join(sorted(names)) or "nothing"
        raise CheckpointError(
            f"{file}: expected {wanted} under ['0']['params'], found {found}; is this a Cacophony checkpoint?"
        )
    stage = held[0]
    return stage, layer_sizes(stage.encoder_path, shapes)


def layer_sizes(tower: str, shapes: Mapping[str, tuple[int, ...]]) -> EncoderConfig:
    """Sizes of the encoder, or of its like, whose parameters lie below the name `tower`."""
    published = EncoderConfig()

    def size(path: str, axis: int, otherwise: int) -> int:
        shape = shapes.get(f"{tower}/{path}", ())
        return shape[axis] if axis < len(shape) and shape[axis] > 0 else otherwise

    # A damaged name must not make up more layers than MAX_LAYERS: it is listed as extra instead.
    layer_name = re.compile(re.escape(tower) + "/" + LAYER.format("(0|[1-9][0-9]{0,2})") + "/")
    layers = {int(match[1]) for match in map(layer_name.match, shapes) if match}
    return EncoderConfig(
        hidden_size=size("freq_positional_embedding", 1, published.hidden_size),
        num_layers=max(layers) + 1 if layers else published.num_layers,
        num_heads=size(f"{LAYER.format(0)}/{ATTENTION}/query/kernel", 1, published.num_heads),
        mlp_size=size(f"{LAYER.format(0)}/MLP_0/Dense_0/kernel", 1, published.mlp_size),
    )


def scan_flax_file(file: pathlib.Path) -> dict[str, Leaf]:
    """Find every array under ['0']['params'].

    Returns:
        Leaves by path, the names below ['0']['params'] joined by slashes.

    Raises:
        CheckpointError: the file is of another kind, truncated or damaged.
    """
    return _scan(file)[0]


def entry_names(file: pathlib.Path) -> list[str]:
    """What a file holds under ['0'], 'params' among it; errors as in `scan_flax_file`."""
    return _scan(file)[1]


def _scan(file: pathlib.Path) -> tuple[dict[str, Leaf], list[str]]:
    _refuse_foreign(file)
    with file.open("rb") as stream:
        scanner = MsgpackScanner(stream, file)
        leaves = scanner.scan()
    if not scanner.found_parameters:
        raise CheckpointError(
            f"{file}: expected parameters under ['0']['params'], found {scanner.outline()}; "
            "is this the checkpoint of a training run of Cacophony?"
        )
    return leaves, scanner.entries


def read_array(stream: BinaryIO, leaf: Leaf, file: pathlib.Path, rows: slice | None = None) -> np.ndarray:
    """Read an array that `scan_flax_file` found, joining its chunks; or what lies within a slice of its first axis."""
    dtype = np.dtype(getattr(ml_dtypes, leaf.dtype, leaf.dtype))
    shape, skipped = leaf.shape, 0
    if rows is not None:
        start, stop, _ = rows.indices(shape[0])
        shape = (stop - start, *shape[1:])
        skipped = start * math.prod(shape[1:]) * dtype.itemsize
    array = np.empty(math.prod(shape), dtype)
    buffer = array.view(np.uint8).data
    filled = 0
    for offset, size in leaf.pieces:
        passed = min(skipped, size)
        skipped -= passed
        part = buffer[filled : filled + size - passed]
        stream.seek(offset + passed)
        got = stream.readinto(part)  # type: ignore[attr-defined]
        if got != len(part):
            raise CheckpointError(f"{file}: truncated while it was read")
        filled += len(part)
    return array.reshape(shape)


def _refuse_foreign(file: pathlib.Path) -> None:
    with file.open("rb") as stream:
        head = stream.read(512)
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for magic, kind in FOREIGN:
        if head.startswith(magic) or text.startswith(magic.lower()):
            raise CheckpointError(f"{file}: expected a Flax msgpack checkpoint, found {kind}")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < file.stat().st_size:
        raise CheckpointError(f"{file}: this looks like a safetensors file; name it so that it ends in .safetensors")
    if not (0x80 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF)):
        raise CheckpointError(
            f"{file}: expected a Flax msgpack checkpoint, which starts with a map, found the bytes {head[:8]!r}"
        )
