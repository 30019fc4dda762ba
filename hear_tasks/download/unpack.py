"""Archives of data sets are unpacked: ZIP, tar and 7z."""

from __future__ import annotations

import pathlib
import tarfile
import zipfile
import zlib

from hear_cacophony.download.remote_file import WrongFileError


def unpack(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpack an archive to a folder, where others may have been unpacked before.

    Raises:
        WrongFileError: it is cut or damaged, or leads out of the folder.
        OSError: a file cannot be written.
    """
    try:
        if archive.suffix == ".7z":
            _unpack_7z(archive, folder)
        elif archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as members:
                members.extractall(folder)  # which keeps names inside the folder
        else:
            with tarfile.open(archive) as members:
                members.extractall(folder, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise WrongFileError(f"{archive}: cannot be unpacked: {error}") from error


def _unpack_7z(archive: pathlib.Path, folder: pathlib.Path) -> None:
    import py7zr

    try:
        with py7zr.SevenZipFile(archive) as members:
            members.extractall(folder)  # which refuses names that lead out of the folder
    except py7zr.exceptions.ArchiveError as error:
        raise WrongFileError(f"{archive}: cannot be unpacked: {error}") from error
