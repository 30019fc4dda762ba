"""The data sets of the evaluations, as `evaluate --data` takes them.

Names and records are those of the publishers' pages: github.com/karolpiczak/ESC-50, Zenodo 1203745 (UrbanSound8K),
400515 and 1040168 (TUT Acoustic Scenes 2017, development and evaluation), 4783391 (Clotho 2.1),
github.com/cdjkim/audiocaps and github.com/hche11/VGGSound.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

from hear_cacophony.download.http import HttpSource
from hear_cacophony.download.mirror import Mirror, measure
from hear_cacophony.download.remote_file import RemoteFile, WrongFileError
from hear_tasks.download.archive_check import check_archive
from hear_tasks.download.unpack import unpack
from hear_tasks.download.zenodo import HOST, Record

_TUT = "TUT-acoustic-scenes-2017"


@dataclasses.dataclass(frozen=True)
class Remote:
    """A file of a data set.

    Attributes:
        name: its name.
        record: of Zenodo, 0 where it is elsewhere.
        url: where it is elsewhere.
        about: bytes that it had when it was last looked at, 0 where its host tells.
    """

    name: str
    record: int = 0
    url: str = ""
    about: int = 0


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        name: as on the command line of `evaluate`.
        title: for people.
        folder: what it is unpacked to.
        inside: whether its archives hold that folder themselves.
        remotes: what is fetched.
        expected: what lies in the folder when it is whole; `evaluate` looks at the rest.
        licence: as its publisher names it.
        unpacked_bytes: about what it takes unpacked.
        note: what is not in it.
    """

    name: str
    title: str
    folder: str
    inside: bool
    remotes: tuple[Remote, ...]
    expected: tuple[str, ...]
    licence: str
    unpacked_bytes: int
    note: str = ""


def _tut(kind: str, record: int, audio: int) -> tuple[Remote, ...]:
    parts = ["meta", *(f"audio.{number}" for number in range(1, audio + 1))]
    return tuple(Remote(f"{_TUT}-{kind}.{part}.zip", record) for part in parts)


_BY_YOUTUBE = "its audio is YouTube's, and not distributed: fetch the clips that are still there yourself"

DATASETS = (
    Dataset(
        "esc50",
        "ESC-50",
        "ESC-50-master",
        True,
        # The size is that of commit 33c8ce9, which has been the latest since 2023; the host packs it anew for each
        # call, and tells neither size nor checksum.
        (
            Remote(
                "ESC-50-master.zip", url="https://github.com/karolpiczak/ESC-50/archive/master.zip", about=645_832_161
            ),
        ),
        ("meta/esc50.csv", "audio"),
        "CC BY-NC 3.0",
        900_000_000,
    ),
    Dataset(
        "urbansound8k",
        "UrbanSound8K",
        "UrbanSound8K",
        True,
        (Remote("UrbanSound8K.tar.gz", 1203745),),
        ("metadata/UrbanSound8K.csv", "audio"),
        "CC BY-NC 3.0 in its own README, 4.0 on Zenodo",
        7_100_000_000,
    ),
    Dataset(
        "tut2017",
        "TUT Acoustic Scenes 2017",
        _TUT,
        False,
        (*_tut("development", 400515, 10), *_tut("evaluation", 1040168, 4)),
        (f"{_TUT}-development/audio", f"{_TUT}-evaluation/audio"),
        "of Tampere University, for non-commercial use",
        16_700_000_000,
    ),
    Dataset(
        "clotho",
        "Clotho, evaluation split",
        "clotho",
        False,
        (Remote("clotho_audio_evaluation.7z", 4783391), Remote("clotho_captions_evaluation.csv", 4783391)),
        ("clotho_captions_evaluation.csv", "evaluation"),
        "of Tampere University, for non-commercial use; each sound the Creative Commons licence that Freesound names",
        2_100_000_000,
    ),
    Dataset(
        "audiocaps",
        "AudioCaps, the list of its test split",
        "audiocaps",
        False,
        (Remote("test.csv", url="https://raw.githubusercontent.com/cdjkim/audiocaps/master/dataset/test.csv"),),
        ("test.csv",),
        "MIT (the list)",
        0,
        _BY_YOUTUBE,
    ),
    Dataset(
        "vggsound",
        "VGGSound, its list",
        "vggsound",
        False,
        (Remote("vggsound.csv", url="https://raw.githubusercontent.com/hche11/VGGSound/master/data/vggsound.csv"),),
        ("vggsound.csv",),
        "CC BY 4.0 (the list)",
        0,
        _BY_YOUTUBE,
    ),
)


@dataclasses.dataclass(frozen=True)
class DatasetFiles:
    """A data set as it is fetched: archives, then the folder that they make.

    Attributes:
        dataset: which.
        records: those of Zenodo, by their numbers.
    """

    dataset: Dataset
    records: dict[int, Record]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.dataset.folder,)

    @property
    def needs(self) -> tuple[str, ...]:
        return (
            ("py7zr", "requests")
            if any(remote.name.endswith(".7z") for remote in self.dataset.remotes)
            else ("requests",)
        )

    @property
    def host(self) -> str:
        first = self.dataset.remotes[0]
        return HttpSource(first.url).host if first.url else HOST

    @property
    def licence(self) -> str:
        return f"{self.dataset.licence}; {self.dataset.note}" if self.dataset.note else self.dataset.licence

    @property
    def unpacked_bytes(self) -> int:
        return self.dataset.unpacked_bytes

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        return self.names if (folder / self.dataset.folder).exists() else ()

    def files(self, folder: pathlib.Path, mirror: Mirror | None) -> Sequence[RemoteFile]:
        return [self._file(remote, folder, mirror) for remote in self.dataset.remotes]

    def _file(self, remote: Remote, folder: pathlib.Path, mirror: Mirror | None) -> RemoteFile:
        if remote.record:
            return self.records[remote.record].file(remote.name, folder, mirror)
        if mirror is None:
            return RemoteFile(remote.name, HttpSource(remote.url), about=remote.about)
        source = mirror.source(remote.name)
        return RemoteFile(remote.name, source, measure(source), about=remote.about)

    def complete(self, work: pathlib.Path) -> None:
        """Unpack the archives, which stay until the whole is in its place: killed, a call unpacks anew."""
        target = work if self.dataset.inside else work / self.dataset.folder
        target.mkdir(exist_ok=True)
        for remote in self.dataset.remotes:
            came = work / remote.name
            if not self._is_recognised(remote, work):
                check_archive(came)
            if came.suffix == ".csv":
                shutil.copyfile(came, target / came.name)
            else:
                unpack(came, target)
        for number in {remote.record for remote in self.dataset.remotes if remote.record}:
            self.records[number].keep_list(work.parent.parent)

    def forget(self, folder: pathlib.Path) -> None:
        """Forget what the lists that are kept tell of its files."""
        for remote in self.dataset.remotes:
            if remote.record:
                self.records[remote.record].forget([remote.name], folder)

    def _is_recognised(self, remote: Remote, work: pathlib.Path) -> bool:
        """Whether a file had a checksum to be recognised by, when it came."""
        record = self.records.get(remote.record)
        listed = record.known(work).get(remote.name) if record else None
        return listed is not None and listed.checksum is not None

    def check(self, folder: pathlib.Path) -> str:
        base = folder / self.dataset.folder
        absent = [name for name in self.dataset.expected if not (base / name).exists()]
        if absent:
            raise WrongFileError(f"{base}: expected {' and '.join(absent)} in it, found none; is it half unpacked?")
        return "unpacked" if self.dataset.unpacked_bytes else "the list"

    def by_hand(self, folder: pathlib.Path) -> str:
        pages = [remote.url or self.records[remote.record].page for remote in self.dataset.remotes]
        names = self.dataset.remotes[0].name + (" and its parts" if len(self.dataset.remotes) > 2 else "")
        return (
            f"save {names} from {' and '.join(dict.fromkeys(pages))}, and unpack it to {folder / self.dataset.folder}, "
            f"with {' and '.join(self.dataset.expected)} in it"
        )


def find_dataset(name: str) -> Dataset:
    """The data set of this name or title.

    Raises:
        ValueError: there is none.
    """
    for dataset in DATASETS:
        if _plain(name) in (_plain(dataset.name), _plain(dataset.title.partition(",")[0])):
            return dataset
    raise ValueError(f"unknown data set {name!r}; expected one of {', '.join(each.name for each in DATASETS)}")


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
