"""Features of audio files as one file: .npz, .parquet or .safetensors, with the names of the files.

    files        names, one for each audio file
    digests      of their contents, for an update
    embeddings   scenes: shape (files, size); timestamps: those of all files one after the other, shape (total, size)
    timestamps   timestamps only: milliseconds, shape (total,)
    lengths      timestamps only: how many of them belong to each file, shape (files,)

In a .parquet file each embedding is a row, with the columns file, embedding and, for timestamps, timestamp_ms; names
that are no UTF-8 have the bytes in question as \\xNN there.
"""

from __future__ import annotations

import json
import os
import pathlib
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO, Any

import numpy as np

from hear_cacophony.files.atomic_write import write_file
from hear_cacophony.files.host_memory import available_memory
from hear_cacophony.files.sorted_safetensors import save_sorted
from hear_cacophony.installed import check_installed
from hear_cacophony.printable import as_text
from hear_cacophony.sounds.chunks import Results

SUFFIXES = (".npz", ".parquet", ".safetensors")


def check_feature_file(path: pathlib.Path, *, replace: bool = False) -> None:
    """Raise what `write_features` would raise, before any work; FileExistsError unless it is to be replaced.

    Raises:
        ValueError: the name ends in none of `SUFFIXES`.
        FileExistsError: the file is there.
        FileNotFoundError: its folder is not.
        PermissionError: its folder cannot be written to.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in one of {', '.join(SUFFIXES)}")
    if os.path.lexists(path) and not replace:
        raise FileExistsError(f"{path} exists; delete it first, or choose another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder for the features")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{path.parent}: cannot be written to; choose another folder for the features")
    if path.suffix == ".parquet":
        check_installed("a .parquet file needs", "pyarrow", extra="parquet")


def write_features(path: pathlib.Path, chunks: Results, about: Mapping[str, Any], *, replace: bool = False) -> int:
    """Write the results of all chunks, whole or not at all.

    Args:
        path: the file, or a link to it, which stays.
        replace: whether it takes the place of one that is there; otherwise there must be none.
        chunks: results with `embeddings`, and for timestamps `timestamps` and `lengths`.
        about: model and options, for JSON; it goes into the file, too.

    Returns:
        The number of audio files in it.

    Raises:
        ValueError: no file could be read.
        MemoryError: a .safetensors file that memory will not do for; the other kinds are written piece by piece.
        OSError: it cannot be written.
    """
    names = [sound.name for chunk in chunks for sound in chunk.sounds]
    if not names:
        raise ValueError("none of the files could be read, so there are no features to write")
    write = {".npz": _write_npz, ".parquet": _write_parquet, ".safetensors": _write_safetensors}[path.suffix]
    check_feature_file(path, replace=replace)
    file = pathlib.Path(os.path.realpath(path))
    write_file(file, lambda part: write(part, names, chunks, json.dumps(about, sort_keys=True)))
    return len(names)


def _write_npz(path: pathlib.Path, names: list[str], chunks: Results, about: str) -> None:
    """As `numpy.savez` does, but from chunks, so that they are never held together."""
    with zipfile.ZipFile(path, "w") as archive:
        _add(archive, "files", [np.array(names)])
        _add(archive, "digests", [np.array(_digests(chunks))])
        _add(archive, "about", [np.array(about)])
        for name in _array_names(chunks):
            _add(archive, name, (chunk.arrays[name] for chunk in chunks if chunk.sounds), _rows(chunks, name))


def _digests(chunks: Results) -> list[str]:
    return [digest for chunk in chunks for digest in chunk.digests]


def _add(archive: zipfile.ZipFile, name: str, arrays: Iterable[np.ndarray], rows: int | None = None) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as stream:
        for number, array in enumerate(arrays):
            if number == 0:
                shape = array.shape if rows is None else (rows, *array.shape[1:])
                _write_header(stream, array, shape)
            stream.write(np.ascontiguousarray(array).tobytes())


def _write_header(stream: IO[bytes], array: np.ndarray, shape: tuple[int, ...]) -> None:
    described = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(stream, described)


def _array_names(chunks: Results) -> list[str]:
    return next(sorted(chunk.arrays) for chunk in chunks if chunk.sounds)


def _rows(chunks: Results, name: str) -> int:
    return sum(len(chunk.arrays[name]) for chunk in chunks if chunk.sounds)


def _write_parquet(path: pathlib.Path, names: list[str], chunks: Results, about: str) -> None:
    import pyarrow
    from pyarrow import parquet

    first = next(chunk for chunk in chunks if chunk.sounds)
    size, timed = first.arrays["embeddings"].shape[1], "timestamps" in first.arrays
    columns = [("file", pyarrow.string()), ("embedding", pyarrow.list_(pyarrow.float32(), size))]
    columns += [("timestamp_ms", pyarrow.float64())] if timed else []
    told = {"hear_cacophony": about, "files": json.dumps(names), "digests": json.dumps(_digests(chunks))}
    if timed:
        told["lengths"] = json.dumps([int(count) for chunk in chunks for count in chunk.arrays.get("lengths", ())])
    schema = pyarrow.schema(columns, metadata=told)
    with parquet.ParquetWriter(path, schema) as writer:
        for chunk in chunks:
            if not chunk.sounds:
                continue
            arrays = chunk.arrays
            repeats = arrays["lengths"] if timed else np.ones(len(chunk.sounds), int)
            files = np.repeat(np.array([as_text(sound.name) for sound in chunk.sounds], object), repeats)
            values = pyarrow.array(arrays["embeddings"].ravel())
            table = [pyarrow.array(files, pyarrow.string()), pyarrow.FixedSizeListArray.from_arrays(values, size)]
            table += [pyarrow.array(arrays["timestamps"])] if timed else []
            writer.write_table(pyarrow.Table.from_arrays(table, schema=schema))


def _write_safetensors(path: pathlib.Path, names: list[str], chunks: Results, about: str) -> None:
    needed = sum(array.nbytes for chunk in chunks for array in chunk.arrays.values())
    free = available_memory()
    if free is not None and 2 * needed > free:
        raise MemoryError(
            f"{path.name}: a .safetensors file is written from memory, which would need {2 * needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are available; write a .npz or .parquet file instead"
        )
    arrays = {
        name: np.concatenate([chunk.arrays[name] for chunk in chunks if chunk.sounds]) for name in _array_names(chunks)
    }
    told = {"files": json.dumps(names), "digests": json.dumps(_digests(chunks)), "about": about}
    save_sorted(arrays, path, told)
