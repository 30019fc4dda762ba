"""Archives of which no checksum is published, recognised by those that they hold themselves."""

from __future__ import annotations

import gzip
import pathlib
import zipfile
import zlib

from hear_cacophony.download.remote_file import WrongFileError, is_html

_BLOCK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


def check_archive(file: pathlib.Path) -> str:
    """How an archive was recognised, or a checkpoint, which may be one.

    Raises:
        WrongFileError: it is cut, damaged or none.
    """
    if is_html(file):
        raise WrongFileError(f"{file}: expected an archive, found a page of HTML")
    try:
        if file.name.endswith(("gz", ".tgz")):
            with gzip.open(file) as stream:
                if stream.read(len(_GZIP)) == _GZIP:
                    raise WrongFileError(
                        f"{file}: packed twice with gzip; a proxy on the way, or a host, has packed it again"
                    )
                while stream.read(_BLOCK_BYTES):
                    pass
            return "whole by the checksum of gzip; no other is known"
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                bad = archive.testzip()
            if bad is None:
                return "whole by the checksums of ZIP; no other is known"
            raise WrongFileError(f"{file}: damaged: {bad} in it")
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise WrongFileError(f"{file}: cut or damaged ({error})") from error
    if file.name.endswith(".zip"):
        raise WrongFileError(f"{file}: expected a ZIP archive; is it cut?")
    return "no checksum is published"
