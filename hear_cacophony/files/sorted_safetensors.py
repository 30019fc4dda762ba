"""Writing .safetensors files that have the same bytes whenever they hold the same."""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Mapping

import numpy as np

_LENGTH_BYTES = 8
"""The file begins with the length of its header, little-endian; the header is JSON."""


def save_sorted(arrays: Mapping[str, np.ndarray], file: pathlib.Path, metadata: Mapping[str, str]) -> None:
    """Write arrays and metadata, with the access rights of any new file.

    The library sorts the arrays, but writes the metadata in an order that changes from call to call, and lets the
    owner alone read the file.

    Raises:
        OSError: it cannot be written.
    """
    import safetensors.numpy  # here, as what is only computed needs no file

    file.touch()
    usual_mode = file.stat().st_mode
    try:
        safetensors.numpy.save_file(dict(arrays), file, dict(metadata))
    except safetensors.SafetensorError as error:
        system = re.search(r"os error (\d+)", str(error))
        if system is None:
            raise OSError(f"{file.name}: could not be written ({error})") from error
        raise OSError(int(system[1]), os.strerror(int(system[1])), str(file)) from error
    _sort_metadata(file)
    file.chmod(usual_mode)


def _sort_metadata(file: pathlib.Path) -> None:
    with file.open("r+b") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        told = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(told) <= length, f"{file}: {len(told)} bytes of sorted header, {length} as it was written"
        stream.seek(_LENGTH_BYTES)
        stream.write(told.ljust(length))
