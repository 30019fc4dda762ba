"""Published files: which they are, where they are fetched from, and how they are recognised."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Protocol

from hear_cacophony.checkpoint.find import DRIVE_FOLDER
from hear_cacophony.download.drive import DriveSource
from hear_cacophony.download.hub import HubSource
from hear_cacophony.download.mirror import Mirror
from hear_cacophony.download.remote_file import Checksum, RemoteFile
from hear_cacophony.model.stages import Release, Stage
from hear_cacophony.text.tokenizer import FORMS, HUB_REPOSITORY, ROBERTA_SIZE, TOKENIZER_FILE, load_tokenizer


class PublishedFiles(Protocol):
    """Files that are fetched and recognised together."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, or those of the folders that they come in."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The packages that fetch and check them."""

    @property
    def host(self) -> str:
        """The host that has them, for people."""

    @property
    def licence(self) -> str:
        """Under what they are published, for people."""

    @property
    def unpacked_bytes(self) -> int:
        """Room that they take beside what is fetched, about; 0 where they are kept as they come."""

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        """The names that are in `folder`; none if they are too few to be used."""

    def files(self, folder: pathlib.Path, mirror: Mirror | None) -> Sequence[RemoteFile]:
        """What is to be fetched, from a mirror if there is one.

        Args:
            folder: where they go, and where an earlier call may have left a list of them.
            mirror: has them in the place of their host.

        Raises:
            HostError: a host that has to be asked refuses.
        """

    def complete(self, work: pathlib.Path) -> None:
        """Make what the names stand for of the fetched files in `work`.

        Raises:
            WrongFileError: they are others than the published ones.
        """

    def check(self, folder: pathlib.Path) -> str:
        """How the files in `folder` were recognised.

        Raises:
            ValueError: they are others than the published ones.
        """

    def forget(self, folder: pathlib.Path) -> None:
        """Others came than an earlier call has noted in `folder`, or none: the next one is to ask what there is."""

    def by_hand(self, folder: pathlib.Path) -> str:
        """How to get the files to `folder` without this program."""


class KeptAsTheyCome:
    """Published files that are what is fetched."""

    unpacked_bytes = 0

    def complete(self, work: pathlib.Path) -> None:
        """Leave the fetched files as they are."""

    def forget(self, folder: pathlib.Path) -> None:
        """Nothing is noted of them."""


def stage_files(stages: Sequence[Stage]) -> list[PublishedFiles]:
    """The checkpoints of `stages`; that of stage 2 comes with the tokenizer of its text side."""
    files: list[PublishedFiles] = [DriveFile(stage.release) for stage in stages]
    return [*files, TokenizerFiles()] if any(stage.number == 2 for stage in stages) else files


@dataclasses.dataclass(frozen=True)
class DriveFile(KeptAsTheyCome):
    """A published checkpoint, in a folder of Google Drive; recognised by its MD5."""

    release: Release
    needs = ("gdown",)
    host = DriveSource(DRIVE_FOLDER).host
    licence = "none named"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.release.file_name,)

    @property
    def _checksum(self) -> Checksum:
        return Checksum("md5", self.release.md5)

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        return self.names if (folder / self.release.file_name).exists() else ()

    def files(self, folder: pathlib.Path, mirror: Mirror | None) -> Sequence[RemoteFile]:
        file = RemoteFile(self.release.file_name, DriveSource(DRIVE_FOLDER), checksum=self._checksum)
        return [file if mirror is None else mirror.file(file.name, file)]

    def check(self, folder: pathlib.Path) -> str:
        self._checksum.check(folder / self.release.file_name)
        return str(self._checksum)

    def by_hand(self, folder: pathlib.Path) -> str:
        return (
            f"open {DriveSource(DRIVE_FOLDER).page} in a browser, save {self.release.file_name} "
            f"(MD5 {self.release.md5}) in {folder}, and run this again, which checks it. This program itself has to "
            "reach drive.google.com and drive.usercontent.google.com, through HTTPS_PROXY if need be"
        )


@dataclasses.dataclass(frozen=True)
class TokenizerFiles(KeptAsTheyCome):
    """RoBERTa's tokenizer in both its forms, on the Hugging Face hub; recognised by its size and known ids.

    Either form will do where it is there already.
    """

    size: int = ROBERTA_SIZE
    names = tuple(name for form in FORMS for name in form)
    needs = ("huggingface_hub", "tokenizers")
    licence = "MIT"

    @property
    def host(self) -> str:
        return HubSource(HUB_REPOSITORY).host

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        return tuple(name for form in self._forms(folder) for name in form)

    def files(self, folder: pathlib.Path, mirror: Mirror | None) -> Sequence[RemoteFile]:
        files = [RemoteFile(name, HubSource(HUB_REPOSITORY)) for name in self.names]
        return files if mirror is None else [mirror.file(file.name, file) for file in files]

    def check(self, folder: pathlib.Path) -> str:
        for form in self._forms(folder):
            load_tokenizer(folder / form[0], size=self.size)
        return f"{self.size:,} entries, known ids"

    def _forms(self, folder: pathlib.Path) -> list[tuple[str, ...]]:
        return [form for form in FORMS if all((folder / name).exists() for name in form)]

    def by_hand(self, folder: pathlib.Path) -> str:
        return (
            f"save {TOKENIZER_FILE} from {HubSource(HUB_REPOSITORY).page} in {folder}, and run this "
            "again, which checks it. This program itself has to reach huggingface.co, or the mirror that HF_ENDPOINT "
            "names, through HTTPS_PROXY if need be"
        )
