"""Files in a folder of Google Drive, with gdown.

gdown tells how many bytes have come, and not which: a file is read once more for its checksum when it is there to the
end. Until then it lies in the folder of transfers, where nothing looks for it.
"""

from __future__ import annotations

import dataclasses
import errno
import pathlib
import shutil
import urllib.parse

from hear_cacophony.download.network import REQUESTS, check_way, refusal, told_as_refusal
from hear_cacophony.download.remote_file import Advance, HostError, RemoteFile, began

TIMEOUT_SECONDS = 60
"""Longest silence of the host."""

RETRIES = 5
"""Times that a file is gone on with where its connection was cut."""

_URL = "https://drive.google.com"
_FAILS_OF = (LookupError, AttributeError, TypeError, ValueError)
"""What gdown raises where a page or a header has not what it looks for."""


@dataclasses.dataclass(frozen=True)
class DriveSource:
    """A file in a folder of Google Drive, by its name.

    Attributes:
        folder: the id of the folder.
    """

    folder: str
    host = urllib.parse.urlsplit(_URL).netloc

    @property
    def page(self) -> str:
        """Where people find it."""
        return f"{_URL}/drive/folders/{self.folder}"

    def fetch(self, file: RemoteFile, target: pathlib.Path, advance: Advance) -> None:
        """See `Source.fetch`."""
        for part in began(target):
            if file.checksum is not None and file.checksum.of(part) == file.checksum.digest:
                part.replace(target)  # killed between the last byte and the new name
                return
        _download(self._find(target.name), target, advance)

    def _find(self, name: str) -> str:
        """The id of a file in the folder."""
        import gdown
        import requests

        told_as_refusal(check_way, _URL, REQUESTS)
        try:
            listed = gdown.download_folder(
                id=self.folder, skip_download=True, quiet=True, use_cookies=False, timeout=TIMEOUT_SECONDS
            )
        except (gdown.DownloadError, requests.RequestException) as error:
            raise refusal(_URL, error, REQUESTS) from error
        except _FAILS_OF as error:
            raise _not_understood(error) from error
        ids = {pathlib.PurePosixPath(file.path).name: file.id for file in listed if not isinstance(file, str)}
        if name not in ids:
            found = ", ".join(sorted(ids)) or "nothing"
            raise HostError(f"{self.host}: expected {name} in the folder {self.folder}, found {found}")
        return ids[name]


def _download(file_id: str, target: pathlib.Path, advance: Advance) -> None:
    import gdown
    import requests

    came = sum(part.stat().st_size for part in began(target))

    def note(done: int, total: int | None) -> None:
        nonlocal came
        free = shutil.disk_usage(target.parent).free
        if total is not None and total - done > free:
            raise OSError(errno.ENOSPC, f"{total - done:,} bytes are still to come")
        advance(done - came)
        came = done

    try:
        gdown.download(
            id=file_id,
            output=str(target),
            resume=True,
            retries=RETRIES,
            timeout=TIMEOUT_SECONDS,
            use_cookies=False,
            progress=note,
            quiet=True,  # there is one line on all files
        )
    except (gdown.DownloadError, requests.RequestException) as error:
        raise refusal(_URL, error, REQUESTS) from error
    except _FAILS_OF as error:
        raise _not_understood(error) from error


def _not_understood(error: Exception) -> HostError:
    return HostError(f"{DriveSource.host}: gdown does not understand the answer ({error!r}); try again later")
