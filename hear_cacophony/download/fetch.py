"""Published files are brought to a folder: whole and checked, or not at all."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import filecmp
import functools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence

from hear_cacophony.download.mirror import Mirror
from hear_cacophony.download.published_files import PublishedFiles
from hear_cacophony.download.remote_file import AbsentError, RemoteFile, began, parts
from hear_cacophony.download.transfers import Transfers, Turns
from hear_cacophony.files.atomic_write import sync_folder, sync_tree
from hear_cacophony.files.cache_folder import make_writable_folder
from hear_cacophony.files.full_disk import describe_full, is_full
from hear_cacophony.files.lock import BusyError, lock_file
from hear_cacophony.installed import check_installed
from hear_cacophony.progress import TransferProgress

STAGING = ".hear-cacophony-download"
"""Folder for what is not whole or not checked yet, in that of the files."""

JOBS = 4
"""Files that are fetched at a time, unless told otherwise: what hosts take as polite."""

_ADVICE = "give yourself leave to write, or choose another folder: --to DIR"


class DownloadError(OSError):
    """Some files could not be brought; the message tells of each."""


@dataclasses.dataclass(frozen=True)
class _Way:
    """Published files on their way.

    Attributes:
        published: what they are.
        work: the folder that they are fetched to.
        files: what is to be fetched.
    """

    published: PublishedFiles
    work: pathlib.Path
    files: Sequence[RemoteFile]

    @property
    def earlier(self) -> int:
        """Bytes that earlier calls have fetched."""
        return sum(part.stat().st_size for file in self.files for part in began(self.work / file.name))

    @property
    def size(self) -> int:
        """Bytes of all of them, as far as they are known."""
        return sum(file.expected for file in self.files)


def download(
    wanted: Sequence[PublishedFiles],
    folder: pathlib.Path,
    tell: Callable[[str], None] = print,
    *,
    mirror: Mirror | None = None,
    jobs: int = JOBS,
) -> None:
    """Bring published files to `folder`.

    Files that are there and right are kept. A file gets its name when it is whole and checked; what was fetched of
    one when the connection was cut is kept in a hidden folder, and gone on with by the next call.

    Args:
        wanted: what to bring.
        folder: made where it is not there.
        tell: takes a line on each file, at the end.
        mirror: where they are fetched, in the place of their own hosts.
        jobs: files to fetch at a time.

    Raises:
        ValueError: files that are there are others than the published ones. Nothing was fetched or changed.
        ModuleNotFoundError: a package that fetches or checks files is not installed.
        DownloadError: some files could not be brought; the others were. The message has the reasons and how to get
            the files by hand.
        OSError: the folder cannot be written to, or has not enough room.
    """
    _check_packages(wanted)
    missing = _missing(wanted, folder, tell)
    if not missing:
        return
    make_writable_folder(folder, _ADVICE)
    with _staging_folder(folder, tell) as staging, TransferProgress("download") as progress:
        transfers = Transfers(progress, tell)
        failures: list[str] = []
        ways = _ways(missing, folder, staging, mirror, transfers, failures)
        _check_room(ways, folder)
        sizes, earlier = [way.size for way in ways], [way.earlier for way in ways]
        progress.expect(sum(len(way.files) for way in ways), sum(sizes), sum(earlier))
        answers = _bring_all(ways, folder, _lock_file(staging).stat().st_mode, transfers, jobs)
    for way, answer in zip(ways, answers, strict=True):
        if isinstance(answer, str):
            _tell_each(way.published, way.published.names, folder, f"downloaded, {answer}", tell)
        else:
            failures.append(f"{', '.join(way.published.names)} could not be downloaded: {answer}")
    if failures:
        raise DownloadError("\n".join(failures))


def _check_packages(wanted: Sequence[PublishedFiles]) -> None:
    needed = sorted({package for files in wanted for package in files.needs})
    check_installed("downloading needs", *needed, extra="download")


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
            _tell_each(files, there, folder, f"is there, {files.check(folder)}", tell)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join([*wrong, "nothing was downloaded or changed; move these away, and run this again"]))
    return missing


def _tell_each(
    files: PublishedFiles, names: Sequence[str], folder: pathlib.Path, what: str, tell: Callable[[str], None]
) -> None:
    for name in names:
        tell(f"{folder / name}: {what}; licence: {files.licence}")


def _ways(
    missing: Sequence[PublishedFiles],
    folder: pathlib.Path,
    staging: pathlib.Path,
    mirror: Mirror | None,
    transfers: Transfers,
    failures: list[str],
) -> list[_Way]:
    """What is to be fetched; what no host tells of is added to the failures."""
    ways = []
    for files in missing:
        try:
            listed = transfers.patiently("lists of files", functools.partial(files.files, folder, mirror))
        except (OSError, ValueError) as error:
            told = f"{error}. By hand: {files.by_hand(folder)}"
            failures.append(f"{', '.join(files.names)} could not be downloaded: {told}")
        else:
            ways.append(_Way(files, staging / files.names[0], listed))
    return ways


def _check_room(ways: Sequence[_Way], folder: pathlib.Path) -> None:
    to_fetch = sum(max(0, way.size - way.earlier) for way in ways)
    unpacked = sum(way.published.unpacked_bytes for way in ways)
    if not to_fetch + unpacked:
        return
    free = shutil.disk_usage(folder).free
    if to_fetch + unpacked > free:
        also = f", and {unpacked / 1e9:.1f} GB unpacked" if unpacked else ""
        raise DownloadError(
            f"{folder}: no room: {to_fetch / 1e9:.1f} GB are to be fetched{also}, {free / 1e9:.1f} GB are free; "
            "nothing was fetched; make room, or choose another folder: --to DIR"
        )


def _bring_all(
    ways: Sequence[_Way], folder: pathlib.Path, usual_mode: int, transfers: Transfers, jobs: int
) -> list[str | Exception]:
    """Fetch everything; of each of the ways how its files were recognised, or what kept them from coming."""
    turns = Turns((number, file) for number, way in enumerate(ways) for file in way.files)
    with transfers.pool(jobs) as threads:
        left = [len(way.files) for way in ways]
        fetching = [threads.submit(_fetch_next, turns, ways, transfers) for _ in range(sum(left))]
        errors: list[list[OSError | ValueError]] = [[] for _ in ways]
        completing: dict[int, concurrent.futures.Future[str]] = {}
        for future in concurrent.futures.as_completed(fetching):
            number, failure = future.result()
            left[number] -= 1
            errors[number] += [] if failure is None else [failure]
            if not left[number] and not errors[number]:
                completing[number] = threads.submit(_complete, ways[number], folder, usual_mode)
        for number, completed in completing.items():
            error = completed.exception()
            if isinstance(error, OSError | ValueError):
                errors[number].append(error)
            elif error is not None:
                raise error
    return [
        _described(way, folder, errors[number]) if errors[number] else completing[number].result()
        for number, way in enumerate(ways)
    ]


def _fetch_next(
    turns: Turns[int], ways: Sequence[_Way], transfers: Transfers
) -> tuple[int, OSError | ValueError | None]:
    """Fetch the file whose turn it is; the number of its way, and what kept it from coming."""
    with turns.take() as (number, file):
        try:
            transfers.fetch(file, ways[number].work / file.name)
        except (OSError, ValueError) as error:
            return number, error
    return number, None


def _complete(way: _Way, folder: pathlib.Path, usual_mode: int) -> str:
    """Check what came, and give it its names; how it was recognised."""
    try:
        way.published.complete(way.work)
        how = way.published.check(way.work)
        _place(way.published.names, way.work, folder, usual_mode)
    except (ValueError, FileExistsError):
        shutil.rmtree(way.work, ignore_errors=True)
        raise
    shutil.rmtree(way.work, ignore_errors=True)
    return how


def _described(way: _Way, folder: pathlib.Path, errors: Sequence[OSError | ValueError]) -> Exception:
    """What to say of failures, with the way by hand."""
    told = "; ".join(dict.fromkeys(_describe(error, way) for error in errors))
    if any(isinstance(error, ValueError | AbsentError) for error in errors):
        way.published.forget(folder)
    left = parts(way.work) if way.work.exists() else []
    if not left:
        shutil.rmtree(way.work, ignore_errors=True)
    kept = f". What came is kept in {way.work}, and gone on with by the same command" if left else ""
    return DownloadError(f"{told}{kept}. By hand: {way.published.by_hand(folder)}")


def _describe(error: OSError | ValueError, way: _Way) -> str:
    if isinstance(error, ValueError):
        hosts = list(dict.fromkeys(file.source.host for file in way.files))
        from_where = "" if any(host in str(error) for host in hosts) else f"{' and '.join(hosts)}: "
        return f"{from_where}{error}. What came was removed"
    if isinstance(error, FileNotFoundError) and not way.work.exists():
        return f"{way.work} was removed while files came; run the same command again"
    if not is_full(error):
        return str(error)
    needs = "" if error.strerror == os.strerror(error.errno or 0) else str(error.strerror)
    return f"{describe_full(error, way.work, needs)}, or choose another folder"


def _place(names: Sequence[str], work: pathlib.Path, folder: pathlib.Path, usual_mode: int) -> None:
    for name in names:
        if (folder / name).exists() and not _same(folder / name, work / name):
            raise FileExistsError(
                f"{folder / name} is there, and not the published file; move it away, and run this again"
            )
    for name in names:
        if (work / name).is_dir():
            sync_tree(work / name)
        else:
            (work / name).chmod(usual_mode)  # gdown leaves it readable by its owner alone
            with (work / name).open("rb") as stream:
                os.fsync(stream.fileno())
        (work / name).replace(folder / name)
    sync_folder(folder)


def _same(there: pathlib.Path, came: pathlib.Path) -> bool:
    return there.is_file() and came.is_file() and filecmp.cmp(there, came, shallow=False)


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
            if staging.is_dir() and list(staging.iterdir()) == [_lock_file(staging)]:
                shutil.rmtree(staging)


def _lock_file(staging: pathlib.Path) -> pathlib.Path:
    return staging / "lock"
