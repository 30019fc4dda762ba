"""Files of which no checksum is published, recognised as whole by what their own forms tell."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import os
import pathlib
import zipfile

from hear_cacophony.download.remote_file import WrongFileError, is_html
from hear_cacophony.files.json_file import parse_json

_BLOCK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_ZIP_END = b"PK\x05\x06"
_ZIP_END_BYTES = 22
"""Of the record at the end, without its comment."""

_LEGACY_TORCH = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""How torch before 1.6 begins a file."""

_NOT_KNOWN = "no checksum is published"


def check_archive(file: pathlib.Path) -> str:
    """How an archive was recognised, or a checkpoint, which may be one, or a list or JSON beside it.

    Raises:
        WrongFileError: it is cut, damaged or none.
    """
    if is_html(file):
        raise WrongFileError(f"{file}: expected an archive, found a page of HTML")
    with file.open("rb") as stream:
        head = stream.read(len(_LEGACY_TORCH))
    try:
        if file.name.endswith(("gz", ".tgz")):
            return _check_gzip(file)
        if file.name.endswith(".zip") or head.startswith(_ZIP):
            return _check_zip(file)
    except WrongFileError:
        raise
    except Exception as error:  # whatever bytes that are no such file lead to
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise WrongFileError(f"{file}: cut or damaged ({str(error) or repr(error)})") from error
    if file.suffix == ".csv":
        return _check_table(file)
    if file.suffix == ".json":
        return _check_json(file)
    if head == _LEGACY_TORCH:
        return _check_legacy_torch(file)
    if file.suffix == ".7z":  # which unpacking will tell of
        return _NOT_KNOWN
    raise WrongFileError(f"{file}: expected a checkpoint as torch writes it, found {head[:4]!r} at its beginning")


def _check_gzip(file: pathlib.Path) -> str:
    with gzip.open(file) as stream:
        if stream.read(len(_GZIP)) == _GZIP:
            raise WrongFileError(f"{file}: packed twice with gzip; a proxy on the way, or a host, has packed it again")
        while stream.read(_BLOCK_BYTES):
            pass
    return "whole by the checksum of gzip; no other is known"


def _check_zip(file: pathlib.Path) -> str:
    """Also of a checkpoint, as torch writes one; what lists its contents is at the end of it."""
    if not zipfile.is_zipfile(file):
        raise WrongFileError(f"{file}: expected a ZIP archive; is it cut?")
    with zipfile.ZipFile(file) as archive:
        bad = archive.testzip()
        first = min((member.header_offset for member in archive.infolist()), default=0)
        end_bytes = _ZIP_END_BYTES + len(archive.comment)
    if bad is not None:
        raise WrongFileError(f"{file}: damaged: {bad} in it")
    with file.open("rb") as stream:
        stream.seek(-end_bytes, os.SEEK_END)
        is_at_end = stream.read(len(_ZIP_END)) == _ZIP_END
    if first or not is_at_end:  # the library would not mind, others do
        raise WrongFileError(f"{file}: damaged: other bytes before the archive, or behind it")
    return "whole by the checksums of ZIP; no other is known"


def _check_table(file: pathlib.Path) -> str:
    rows, widths = 0, (0, 0)
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream, strict=True):
                if any("\0" in field for field in row):
                    raise csv.Error("zero bytes")
                rows, widths = rows + 1, (widths[0] or len(row), len(row))
    except (csv.Error, UnicodeDecodeError) as error:
        raise WrongFileError(
            f"{file}: expected a table, could not read row {rows + 1} ({error}); is it cut?"
        ) from error
    if widths[0] != widths[1]:
        raise WrongFileError(f"{file}: expected {widths[0]} columns in the last row, found {widths[1]}; is it cut?")
    return f"a list of {rows:,} rows; {_NOT_KNOWN}"


def _check_json(file: pathlib.Path) -> str:
    try:
        parse_json(file.read_bytes())
    except ValueError as error:
        raise WrongFileError(f"{file}: expected JSON, could not read it ({error}); is it cut?") from error
    return f"JSON; {_NOT_KNOWN}"


def _check_legacy_torch(file: pathlib.Path) -> str:
    if importlib.util.find_spec("torch") is None:
        return f"{_NOT_KNOWN}; not looked into, as torch is not installed"
    from hear_tasks.torch_file import ForeignContentError, TorchFileError, read_torch_file

    try:
        read_torch_file(file)
    except ForeignContentError:
        return _NOT_KNOWN
    except TorchFileError as error:
        raise WrongFileError(f"{file}: {error}") from error
    except Exception as error:  # whatever bytes that are no such file lead to
        raise WrongFileError(f"{file}: cut or damaged ({error!r})") from error
    return f"whole as torch wrote it; {_NOT_KNOWN}"
