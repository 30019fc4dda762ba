"""Published files are brought to a folder: whole and checked, or not at all."""

from __future__ import annotations

import contextlib
import filecmp
import importlib.util
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence

from hear_cacophony.download.published_files import HostError, PublishedFiles, parts
from hear_cacophony.files.full_disk import describe_full, is_full
from hear_cacophony.files.lock import BusyError, lock_file

STAGING = ".hear-cacophony-download"
"""Folder for what is not whole or not checked yet, in that of the files."""


class DownloadError(OSError):
    """Some files could not be brought; the message tells of each."""


def download(wanted: Sequence[PublishedFiles], folder: pathlib.Path, tell: Callable[[str], None] = print) -> None:
    """Bring published files to `folder`.

    Files that are there and right are kept. A file gets its name when it is whole and checked; what was fetched of
    one when the connection was cut is kept in a hidden folder, and gone on with by the next call.

    Args:
        wanted: what to bring.
        folder: made where it is not there.
        tell: takes a line on each file.

    Raises:
        ValueError: files that are there are others than the published ones. Nothing was fetched or changed.
        ModuleNotFoundError: a package that fetches or checks files is not installed.
        DownloadError: some files could not be brought; the others were. The message has the reasons and how to get
            the files by hand.
    """
    _check_packages(wanted)
    missing = _missing(wanted, folder, tell)
    if not missing:
        return
    failures = []
    with _staging_folder(folder, tell) as staging:
        usual_mode = _lock_file(staging).stat().st_mode
        for files in missing:
            try:
                how = _bring(files, staging / files.names[0].partition(".")[0], folder, usual_mode)
            except (OSError, ValueError) as error:
                failures.append(f"{', '.join(files.names)} could not be downloaded: {error}")
            else:
                _tell_each(files.names, folder, f"downloaded, {how}", tell)
    if failures:
        raise DownloadError("\n".join(failures))


def _check_packages(wanted: Sequence[PublishedFiles]) -> None:
    needed = sorted({package for files in wanted for package in files.needs})
    absent = [package for package in needed if importlib.util.find_spec(package) is None]
    if absent:
        raise ModuleNotFoundError(
            f"downloading needs {' and '.join(absent)}: pip install 'hear_cacophony[download]'", name=absent[0]
        )


def _missing(
    wanted: Sequence[PublishedFiles], folder: pathlib.Path, tell: Callable[[str], None]
) -> list[PublishedFiles]:
    missing, wrong = [], []
    for files in wanted:
        there = files.there(folder)
        if not there:
            missing.append(files)
            continue
        try:
            _tell_each(there, folder, f"is there, {files.check(folder)}", tell)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join([*wrong, "nothing was downloaded or changed; move these away, and run this again"]))
    return missing


def _tell_each(names: Sequence[str], folder: pathlib.Path, what: str, tell: Callable[[str], None]) -> None:
    for name in names:
        tell(f"{folder / name}: {what}")


def _bring(files: PublishedFiles, work: pathlib.Path, folder: pathlib.Path, usual_mode: int) -> str:
    """Fetch files into the folder `work`, check them and give them their names; how they were recognised."""
    work.mkdir(exist_ok=True)
    try:
        files.fetch(work)
        how = files.check(work)
        _place(files.names, work, folder, usual_mode)
        return how
    except HostError as error:
        kept = f"What came is kept in {work}, and gone on with by the same command. " if parts(work) else ""
        raise HostError(f"{error}. {kept}By hand: {files.by_hand(folder)}") from error
    except ValueError as error:
        raise ValueError(f"{error}. What came was removed. By hand: {files.by_hand(folder)}") from error
    except OSError as error:
        if not is_full(error):
            raise
        needs = "" if error.strerror == os.strerror(error.errno or 0) else str(error.strerror)
        told = describe_full(error, work, needs)
        for part in parts(work):
            part.unlink()
        raise OSError(f"{told}, or choose another folder; what came was removed") from error
    finally:
        if not parts(work):
            shutil.rmtree(work)


def _place(names: Sequence[str], work: pathlib.Path, folder: pathlib.Path, usual_mode: int) -> None:
    for name in names:
        if (folder / name).exists() and not filecmp.cmp(folder / name, work / name, shallow=False):
            raise FileExistsError(
                f"{folder / name} is there, and not the published file; move it away, and run this again"
            )
    for name in names:
        (work / name).chmod(usual_mode)  # gdown leaves it readable by its owner alone
        with (work / name).open("rb") as stream:
            os.fsync(stream.fileno())
        (work / name).replace(folder / name)


@contextlib.contextmanager
def _staging_folder(folder: pathlib.Path, tell: Callable[[str], None]) -> Iterator[pathlib.Path]:
    """The hidden folder, for one process at a time; removed at the end if nothing is left in it."""
    staging = folder / STAGING
    staging.mkdir(parents=True, exist_ok=True)
    with _lock_file(staging).open("w") as lock:
        try:
            lock_file(lock.fileno(), _lock_file(staging), tell)
        except BusyError:
            raise DownloadError(f"{folder}: another process downloads to this folder; wait for its end") from None
        try:
            yield staging
        finally:
            if list(staging.iterdir()) == [_lock_file(staging)]:
                shutil.rmtree(staging)


def _lock_file(staging: pathlib.Path) -> pathlib.Path:
    return staging / "lock"
