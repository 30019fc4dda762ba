"""The weights of the five models beside ours in the published table, under the names that its script takes."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

from hear_cacophony.download.drive import DriveSource
from hear_cacophony.download.hub import HubSource, read_repository
from hear_cacophony.download.mirror import Mirror, measure
from hear_cacophony.download.published_files import KeptAsTheyCome
from hear_cacophony.download.remote_file import Checksum, RemoteFile, WrongFileError
from hear_tasks.download.archive_check import check_archive
from hear_tasks.table_plugins import TablePlugin


@dataclasses.dataclass(frozen=True)
class PeerWeights(KeptAsTheyCome):
    """The weights of one of them: a file, or a folder of transformers."""

    plugin: TablePlugin

    @property
    def names(self) -> tuple[str, ...]:
        return (self.plugin.file,)

    @property
    def needs(self) -> tuple[str, ...]:
        return ("huggingface_hub",) if self.plugin.repository else ("gdown",)

    @property
    def host(self) -> str:
        return self._source.host

    @property
    def licence(self) -> str:
        return self.plugin.licence

    @property
    def _source(self) -> HubSource | DriveSource:
        if self.plugin.repository:
            return HubSource(self.plugin.repository, self.plugin.revision)
        return DriveSource(self.plugin.drive_folder)

    @property
    def _is_folder(self) -> bool:
        return self.plugin.files != (self.plugin.file,)

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        return self.names if (folder / self.plugin.file).exists() else ()

    def files(self, folder: pathlib.Path, mirror: Mirror | None) -> Sequence[RemoteFile]:
        if mirror is not None:
            return [self._mirrored(name, mirror) for name in self.plugin.files]
        listed = read_repository(self.plugin.repository, self.plugin.revision) if self.plugin.repository else {}
        return [self._file(name, listed.get(name)) for name in self.plugin.files]

    def _file(self, name: str, listed: object) -> RemoteFile:
        lfs = getattr(listed, "lfs", None)
        found = getattr(lfs, "sha256", None)
        known = self._known(name)
        if known and found and known.digest != found:
            raise WrongFileError(
                f"{self.host}: {name}: expected the {known}, the host tells {found}; it is another release"
            )
        of_git = getattr(listed, "blob_id", None)  # of small files nothing else is told
        checksum = known or (Checksum("sha256", found) if found else Checksum("git", of_git) if of_git else None)
        return RemoteFile(self._place(name), self._source, getattr(listed, "size", None), checksum, self._about(name))

    def _mirrored(self, name: str, mirror: Mirror) -> RemoteFile:
        source = mirror.source(self._place(name))
        return RemoteFile(self._place(name), source, measure(source), self._known(name), self._about(name))

    def _place(self, name: str) -> str:
        return f"{self.plugin.file}/{name}" if self._is_folder else name

    def _is_large(self, name: str) -> bool:
        return name == self.plugin.files[-1]

    def _known(self, name: str) -> Checksum | None:
        return Checksum("sha256", self.plugin.sha256) if self._is_large(name) and self.plugin.sha256 else None

    def _about(self, name: str) -> int:
        return self.plugin.about if self._is_large(name) else 0

    def complete(self, work: pathlib.Path) -> None:
        """Remove what the hub's library has noted beside the files."""
        shutil.rmtree(work / self.plugin.file / ".cache", ignore_errors=True)

    def check(self, folder: pathlib.Path) -> str:
        base = folder / self.plugin.file if self._is_folder else folder
        absent = [name for name in self.plugin.files if not (base / name).is_file()]
        if self._is_folder and absent == ["pytorch_model.bin"] and (base / "model.safetensors").is_file():
            return "as transformers saves it"
        if absent:
            raise WrongFileError(f"{base}: expected {' and '.join(absent)}, found none; is it half a download?")
        large = self.plugin.files[-1]
        for name in self.plugin.files[:-1]:
            check_archive(base / name)
        known = self._known(large)
        if known is None:
            return check_archive(base / large)
        known.check(base / large)
        return str(known)

    def by_hand(self, folder: pathlib.Path) -> str:
        where = f"{folder / self.plugin.file}" if self._is_folder else f"{folder}"
        checksum = f" (SHA-256 {self.plugin.sha256})" if self.plugin.sha256 else ""
        return (
            f"save {', '.join(self.plugin.files)}{checksum} from {self._source.page} in {where}, and run this again, "
            "which checks it"
        )
