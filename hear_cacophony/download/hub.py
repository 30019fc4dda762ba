"""Files of the Hugging Face hub, with huggingface_hub.

The library compares sizes alone, and gives nobody the bytes as they arrive: a file is read once more for its checksum
when it is there to the end. Until then it lies in the folder of transfers, where nothing looks for it.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any, TypeVar

from hear_cacophony.download.network import HTTPX, check_mirror, check_way, refusal, told_as_refusal
from hear_cacophony.download.patience import PASSING, asked_seconds
from hear_cacophony.download.remote_file import Advance, HostError, PassingError, RemoteFile, WrongFileError

_HUB = "https://huggingface.co"
_CLIENT_GONE = (
    "client has been closed",
    "'NoneType' object has no attribute 're",
    "'NoneType' object has no attribute 'st",
)
"""Of what the library raises where another thread has closed the client of all, as its own connection failed."""

_Answer = TypeVar("_Answer")


@dataclasses.dataclass(frozen=True)
class HubSource:
    """A file of a repository on the hub.

    Attributes:
        repository: its name, OWNER/NAME, or NAME alone.
        revision: commit, or branch.
    """

    repository: str
    revision: str = "main"

    @property
    def host(self) -> str:
        return (os.environ.get("HF_ENDPOINT") or _HUB).partition("://")[2].rstrip("/")

    @property
    def page(self) -> str:
        """Where people find it."""
        return f"{_HUB}/{self.repository}/tree/{self.revision}"

    def fetch(self, file: RemoteFile, target: pathlib.Path, advance: Advance) -> None:
        """See `Source.fetch`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        asking(lambda: self._download(target, advance))
        if file.checksum is not None:
            try:
                file.checksum.check(target)
            except WrongFileError:
                target.unlink()
                raise

    def _download(self, target: pathlib.Path, advance: Advance) -> None:
        import huggingface_hub.constants

        if huggingface_hub.constants.HF_HUB_OFFLINE:  # then it looks for files in its cache alone
            cached = huggingface_hub.hf_hub_download(self.repository, target.name, revision=self.revision)
            shutil.copyfile(cached, target)
            return
        huggingface_hub.hf_hub_download(
            self.repository,
            target.name,
            revision=self.revision,
            local_dir=target.parent,
            tqdm_class=_counter(advance),
        )


def read_repository(repository: str, revision: str) -> dict[str, Any]:
    """What the hub tells of files of a repository, by their names: `size`, `blob_id`, and `lfs.sha256` of large ones.

    With HF_HUB_OFFLINE it tells nothing; files are then looked for in its cache.

    Raises:
        HostError: the hub refuses.
    """
    import huggingface_hub.constants

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return {}

    def ask() -> Any:
        return huggingface_hub.HfApi().model_info(repository, revision=revision, files_metadata=True)

    return {file.rfilename: file for file in asking(ask).siblings or ()}


def asking(ask: Callable[[], _Answer]) -> _Answer:
    """Ask the hub.

    Raises:
        PassingError: it asks for patience, or its connection was cut.
        HostError: it refuses, or cannot be reached.
    """
    told_as_refusal(check_mirror, "HF_ENDPOINT")
    import huggingface_hub.constants
    from huggingface_hub.utils import httpx

    host = huggingface_hub.constants.ENDPOINT
    offline = huggingface_hub.constants.HF_HUB_OFFLINE
    told_as_refusal(check_way, host, HTTPX)
    try:
        return ask()
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # this machine's, such as a full disk
            raise
        told = refusal(host, error, HTTPX)
        if offline:
            raise HostError(f"{told}; HF_HUB_OFFLINE is set: unset it, or fetch it where there is network") from error
        response = getattr(error, "response", None)
        if response is not None and response.status_code in PASSING:
            raise PassingError(str(told), asked_seconds(response.headers)) from error
        raise told from error
    except UnicodeError:  # of a header; it would tell the token
        raise HostError("HF_TOKEN, or the token that `hf auth login` has kept, has letters that no token has") from None
    except (RuntimeError, AttributeError, LookupError, TypeError, ValueError) as error:
        if any(told in str(error) for told in _CLIENT_GONE):
            raise PassingError(f"{host}: {error}") from error
        name = host.partition("://")[2]
        raise HostError(
            f"{name}: huggingface_hub does not understand the answer ({error!r}); try again later"
        ) from error


def _counter(advance: Advance) -> type:
    """A progress bar of tqdm that shows nothing, and tells what comes."""
    from tqdm import tqdm

    class Counter(tqdm):
        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            super().__init__(disable=True)
            advance(initial)

        def update(self, n: float | None = 1) -> None:
            advance(int(n or 0))

    return Counter
