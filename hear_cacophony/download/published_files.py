"""The published files: which they are, how they are fetched, and how they are recognised."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hear_cacophony.checkpoint.find import DRIVE_FOLDER
from hear_cacophony.download.network import HTTPX, REQUESTS, Client, check_mirror, check_way, describe_way
from hear_cacophony.model.stages import Release, Stage
from hear_cacophony.text.tokenizer import FORMS, HUB_REPOSITORY, ROBERTA_SIZE, TOKENIZER_FILE, load_tokenizer

TIMEOUT_SECONDS = 60
"""Longest silence of Google Drive."""

RETRIES = 5
"""Times that a file of Google Drive is gone on with where its connection was cut."""


class HostError(OSError):
    """A host cannot be reached, or does not give the file."""


class WrongFileError(ValueError):
    """A file is not the published one."""


class PublishedFiles(Protocol):
    """Files that are fetched and recognised together."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The packages that fetch and check them."""

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        """The names that are in `folder`; none if they are too few to be used."""

    def fetch(self, folder: pathlib.Path) -> None:
        """Bring the files to `folder`, where an earlier call may have left a part.

        Raises:
            HostError: the host refuses.
            OSError: a file cannot be written.
        """

    def check(self, folder: pathlib.Path) -> str:
        """How the files in `folder` were recognised.

        Raises:
            ValueError: they are others than the published ones.
        """

    def by_hand(self, folder: pathlib.Path) -> str:
        """How to get the files to `folder` without this program."""


def stage_files(stages: Sequence[Stage]) -> list[PublishedFiles]:
    """The checkpoints of `stages`; that of stage 2 comes with the tokenizer of its text side."""
    files: list[PublishedFiles] = [DriveFile(stage.release) for stage in stages]
    return [*files, TokenizerFiles()] if any(stage.number == 2 for stage in stages) else files


@dataclasses.dataclass(frozen=True)
class DriveFile:
    """A published checkpoint, in a folder of Google Drive; recognised by its MD5."""

    release: Release
    needs = ("gdown",)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.release.file_name,)

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        return self.names if (folder / self.release.file_name).exists() else ()

    def fetch(self, folder: pathlib.Path) -> None:
        for part in parts(folder):
            if _md5(part) == self.release.md5:  # killed between the last byte and the new name
                part.replace(folder / self.release.file_name)
                return
        file_id = _find_on_drive(self.release.file_name)
        _fetch_from_drive(file_id, folder / self.release.file_name)

    def check(self, folder: pathlib.Path) -> str:
        file = folder / self.release.file_name
        found = _md5(file)
        if found != self.release.md5:
            cause = "it is a page of HTML" if _is_html(file) else "is it cut, or another release?"
            raise WrongFileError(f"{file}: expected the MD5 {self.release.md5}, found {found}; {cause}")
        return f"MD5 {found}"

    def by_hand(self, folder: pathlib.Path) -> str:
        return (
            f"open https://drive.google.com/drive/folders/{DRIVE_FOLDER} in a browser, save {self.release.file_name} "
            f"(MD5 {self.release.md5}) in {folder}, and run this again, which checks it. This program itself has to "
            "reach drive.google.com and drive.usercontent.google.com, through HTTPS_PROXY if need be"
        )


@dataclasses.dataclass(frozen=True)
class TokenizerFiles:
    """RoBERTa's tokenizer in both its forms, on the Hugging Face hub; recognised by its size and known ids.

    Either form will do where it is there already.
    """

    size: int = ROBERTA_SIZE
    names = tuple(name for form in FORMS for name in form)
    needs = ("huggingface_hub", "tokenizers")

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        return tuple(name for form in self._forms(folder) for name in form)

    def fetch(self, folder: pathlib.Path) -> None:
        for name in self.names:
            _fetch_from_hub(name, folder)

    def check(self, folder: pathlib.Path) -> str:
        for form in self._forms(folder):
            load_tokenizer(folder / form[0], size=self.size)
        return f"{self.size:,} entries, known ids"

    def _forms(self, folder: pathlib.Path) -> list[tuple[str, ...]]:
        return [form for form in FORMS if all((folder / name).exists() for name in form)]

    def by_hand(self, folder: pathlib.Path) -> str:
        return (
            f"save {TOKENIZER_FILE} from https://huggingface.co/{HUB_REPOSITORY}/tree/main in {folder}, and run this "
            "again, which checks it. This program itself has to reach huggingface.co, or the mirror that HF_ENDPOINT "
            "names, through HTTPS_PROXY if need be"
        )


def parts(folder: pathlib.Path) -> list[pathlib.Path]:
    """Beginnings of files in `folder`, which a later call of `fetch` goes on with."""
    return [part for part in sorted(folder.glob("*.part")) if part.stat().st_size > 0]


def _md5(file: pathlib.Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _is_html(file: pathlib.Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(512).lstrip().lower().startswith((b"<!doctype html", b"<html"))


# The hosts

_DRIVE = "https://drive.google.com"


def _find_on_drive(name: str) -> str:
    """The id of a file in the published folder."""
    import gdown
    import requests

    _told_as_refusal(check_way, _DRIVE, REQUESTS)
    try:
        listed = gdown.download_folder(
            id=DRIVE_FOLDER, skip_download=True, quiet=True, use_cookies=False, timeout=TIMEOUT_SECONDS
        )
    except (gdown.DownloadError, requests.RequestException) as error:
        raise _refusal(_DRIVE, error, REQUESTS) from error
    ids = {pathlib.PurePosixPath(file.path).name: file.id for file in listed if not isinstance(file, str)}
    if name not in ids:
        found = ", ".join(sorted(ids)) or "nothing"
        raise HostError(f"drive.google.com: expected {name} in the folder {DRIVE_FOLDER}, found {found}")
    return ids[name]


def _fetch_from_drive(file_id: str, target: pathlib.Path) -> None:
    import gdown
    import requests

    def check_space(done: int, total: int | None) -> None:
        free = shutil.disk_usage(target.parent).free
        if total is not None and total - done > free:
            raise OSError(errno.ENOSPC, f"{total - done:,} bytes are still to come")

    try:
        gdown.download(
            id=file_id,
            output=str(target),
            resume=True,
            retries=RETRIES,
            timeout=TIMEOUT_SECONDS,
            use_cookies=False,
            progress=check_space,
            log_messages={"start": "", "output": f"To: {target.name}\n"},
        )
    except (gdown.DownloadError, requests.RequestException) as error:
        raise _refusal(_DRIVE, error, REQUESTS) from error


def _fetch_from_hub(name: str, folder: pathlib.Path) -> None:
    _told_as_refusal(check_mirror, "HF_ENDPOINT")
    import huggingface_hub.constants
    from huggingface_hub.utils import httpx

    host = huggingface_hub.constants.ENDPOINT
    _told_as_refusal(check_way, host, HTTPX)
    try:
        huggingface_hub.hf_hub_download(HUB_REPOSITORY, name, local_dir=folder)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # this machine's, such as a full disk
            raise
        raise _refusal(host, error, HTTPX) from error


def _told_as_refusal(check: Callable[..., None], *given: Any) -> None:
    try:
        check(*given)
    except ValueError as error:
        raise HostError(str(error)) from None


def _refusal(url: str, error: Exception, client: Client) -> HostError:
    said = " ".join(str(error).split())
    cause = f" ({' '.join(str(error.__cause__).split())})" if error.__cause__ is not None else ""
    told = f"{url.removeprefix('https://')}: {said}{cause}{describe_way(url)}"
    if "CERTIFICATE_VERIFY_FAILED" in told:
        told += f"; a proxy that opens connections? its certificate goes, as PEM, into {client.certificates[0]}"
    return HostError(told)
