"""Archives of data sets are unpacked: ZIP, tar and 7z."""

from __future__ import annotations

import errno
import pathlib
import tarfile
import zipfile

from hear_cacophony.download.remote_file import WrongFileError
from hear_cacophony.files.tar_file import StrictTarInfo

_NAMES_CLASH = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL)
"""Of errors that the names in an archive lead to, and not this machine."""


def unpack(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpack an archive to a folder, where others may have been unpacked before.

    Raises:
        WrongFileError: it is cut, damaged or encrypted, leads out of the folder, or holds a file twice.
        OSError: a file cannot be written.
    """
    try:
        if archive.suffix == ".7z":
            _unpack_7z(archive, folder)
        elif archive.suffix == ".zip":
            _unpack_zip(archive, folder)
        else:
            _unpack_tar(archive, folder)
    except WrongFileError:
        raise
    except Exception as error:  # whatever bytes that are no such archive lead to
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _NAMES_CLASH:
            raise
        raise _wrong(archive, str(error).partition("\n")[0] or repr(error)) from error


def _wrong(archive: pathlib.Path, reason: str) -> WrongFileError:
    return WrongFileError(f"{archive}: cannot be unpacked: {reason}")


class _Names:
    """The names of files in an archive, each of which has to stay in the folder, and to be there once."""

    def __init__(self, archive: pathlib.Path) -> None:
        self._archive = archive
        self._seen: set[str] = set()

    def check(self, name: str) -> None:
        """Take the next name."""
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise _wrong(self._archive, f"{name!r} would lie outside the folder, or have another name there")
        if name in self._seen and not name.endswith("/"):
            raise _wrong(self._archive, f"{name!r} is in it twice")
        self._seen.add(name)


def _unpack_zip(archive: pathlib.Path, folder: pathlib.Path) -> None:
    names = _Names(archive)
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            names.check(member.filename)
        members.extractall(folder)


def _unpack_tar(archive: pathlib.Path, folder: pathlib.Path) -> None:
    names = _Names(archive)

    def checked(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
        if not member.isdir():
            names.check(member.name)
        return tarfile.data_filter(member, path)

    with tarfile.open(archive, tarinfo=StrictTarInfo) as members:
        members.extractall(folder, filter=checked)


def _unpack_7z(archive: pathlib.Path, folder: pathlib.Path) -> None:
    import py7zr

    with py7zr.SevenZipFile(archive) as members:
        members.extractall(folder)  # which refuses names that lead out of the folder
