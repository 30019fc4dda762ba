"""What a download would bring: files, sizes, hosts and licences."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Sequence

from hear_cacophony.download.mirror import Mirror
from hear_cacophony.download.published_files import PublishedFiles
from hear_cacophony.download.remote_file import RemoteFile
from hear_cacophony.text_table import text_table


def describe(wanted: Sequence[PublishedFiles], folder: pathlib.Path, mirror: Mirror | None = None) -> list[str]:
    """Lines for people; nothing is fetched but lists of files, and nothing is written.

    Args:
        wanted: what would be brought.
        folder: where it would go, which need not be there.
        mirror: where it would be fetched.
    """
    rows: list[tuple[str, ...]] = [("file", "MB", "host", "licence")]
    remarks: dict[str, None] = {}
    to_fetch = unpacked = unknown = 0
    for files in wanted:
        there = files.there(folder)
        if there:
            rows += [(f"{name} (is there)", "", files.host, files.licence) for name in there]
            continue
        unpacked += files.unpacked_bytes
        listed, problem = _list(files, folder, mirror)
        if problem:
            remarks[problem] = None
            rows += [(name, "?", files.host, files.licence) for name in files.names]
            unknown += len(files.names)
            continue
        rows += [(_label(file, files), _size(file), file.source.host, files.licence) for file in listed]
        to_fetch += sum(file.expected for file in listed)
        unknown += sum(file.expected == 0 for file in listed)
    lines = text_table(rows, right={1})
    lines += [f"not known: {remark}" for remark in remarks]
    return [*lines, _total(to_fetch, unpacked, unknown, folder)]


def _list(files: PublishedFiles, folder: pathlib.Path, mirror: Mirror | None) -> tuple[Sequence[RemoteFile], str]:
    try:
        return files.files(folder, mirror), ""
    except (OSError, ValueError) as error:
        return [], str(error)


def _label(file: RemoteFile, files: PublishedFiles) -> str:
    """The path of a file; of one that is unpacked also what it makes."""
    is_kept = file.name.partition("/")[0] in files.names
    return file.name if is_kept else f"{files.names[0]}: {file.name}"


def _size(file: RemoteFile) -> str:
    if file.size is not None:
        return f"{file.size / 1e6:,.1f}"
    return f"about {file.about / 1e6:,.0f}" if file.about else "?"


def _total(to_fetch: int, unpacked: int, unknown: int, folder: pathlib.Path) -> str:
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir())
    told = f"to fetch: {to_fetch / 1e9:,.2f} GB"
    if unknown:
        told += f", and {unknown} {'file whose size' if unknown == 1 else 'files whose sizes'} the host does not tell"
    if unpacked:
        told += f"; unpacked beside it until it is done: {unpacked / 1e9:,.1f} GB"
    return f"{told}; {shutil.disk_usage(there).free / 1e9:,.1f} GB are free in {there}"
