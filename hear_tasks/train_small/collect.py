"""The recordings of Debian packages as a list of files, with the licence of each package."""

from __future__ import annotations

import csv
import io
import os
import pathlib
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence

from hear_cacophony.files.atomic_write import write_text
from hear_cacophony.files.build_folder import build_folder
from hear_cacophony.frontend.audio_kinds import READABLE_ENDINGS
from hear_cacophony.sounds.find import has_sound
from hear_tasks.debian_packages import Source, SourceError, find_source

LIST_FILE, TABLE_FILE, LICENCES, UNPACKED = "sounds.txt", "packages.csv", "licences", "unpacked"

_ARCHIVES = (".pk3", ".wz", ".zip")
"""Zip files in which games keep their data, by the ending of their names."""


def collect(
    packages: Sequence[str], out: pathlib.Path, sources: pathlib.Path | None, tell: Callable[[str], None]
) -> pathlib.Path:
    """Fetch packages, and list their recordings.

    Args:
        packages: their names.
        out: folder for the list, `packages.csv` with version, files and licences of each package, the texts of the
            licences, and what is unpacked of archives in the packages.
        sources: where the packages lie on a machine without apt; see `find_source`.
        tell: told of each package.

    Returns:
        The list: a path in each line.

    Raises:
        SourceError: a package is not to be had, has no recordings, or an archive in it is damaged.
    """
    (out / LICENCES).mkdir(parents=True, exist_ok=True)
    files: list[str] = []
    rows = []
    for package in packages:
        source = find_source(package, sources)
        found = _recordings(source, out / UNPACKED / package)
        tell(f"{package} {source.version}: {len(found):,} recordings")
        files += found
        rows.append((package, source.version, len(found), _keep_licence(source, out / LICENCES)))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("package", "version", "recordings", "licences"), *rows])
    write_text(out / TABLE_FILE, table.getvalue())
    write_text(out / LIST_FILE, "".join(f"{file}\n" for file in files))
    return out / LIST_FILE


def _recordings(source: Source, unpacked: pathlib.Path) -> list[str]:
    inside = _files(source.folder)
    archives = [path for path in inside if path.suffix.lower() in _ARCHIVES]
    if archives and not unpacked.exists():
        build_folder(unpacked, lambda part: _unpack(archives, part))
    files = inside + (_files(unpacked) if archives else [])
    names = [os.path.abspath(path) for path in files if has_sound(str(path))]
    if not names:
        raise SourceError(f"{source.folder}: expected recordings, found none; is this {source.package}?")
    return names


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """All files below a folder, in order; links are left alone, which lead to files of the machine."""
    found = [pathlib.Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if not path.is_symlink())


def _unpack(archives: Sequence[pathlib.Path], folder: pathlib.Path) -> None:
    """Unpack what is a recording of each archive, into a folder of its own."""
    for number, archive in enumerate(archives):
        try:
            with zipfile.ZipFile(archive) as opened:
                names = [
                    name for name in opened.namelist() if pathlib.PurePath(name).suffix.lower() in READABLE_ENDINGS
                ]
                opened.extractall(folder / str(number), names)
        except (zipfile.BadZipFile, OSError) as error:
            raise SourceError(f"{archive}: expected an archive, could not unpack it ({error}); is it cut?") from error


def _keep_licence(source: Source, folder: pathlib.Path) -> str:
    """Keep the text that says who may do what with a package; returns the names of licences in it."""
    file = source.folder / "usr" / "share" / "doc" / source.package / "copyright"
    if not file.is_file():
        raise SourceError(f"{file}: expected the licence of {source.package}, found none; is the package damaged?")
    kept = folder / f"{source.package}.txt"
    shutil.copyfile(file, kept)
    names = re.findall(r"^License:[ \t]*(\S.*)$", kept.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    return "; ".join(sorted({name.strip() for name in names})) or f"see {LICENCES}/{kept.name}"
