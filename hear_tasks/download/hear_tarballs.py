"""The tarballs of the HEAR tasks, as hearbenchmark.com names them: on Zenodo, and in two buckets at other rates."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence

from hear_cacophony.download.mirror import Mirror, measure, read_last
from hear_cacophony.download.published_files import KeptAsTheyCome
from hear_cacophony.download.remote_file import HostError, RemoteFile, WrongFileError
from hear_tasks.download.archive_check import check_archive
from hear_tasks.download.buckets import Bucket
from hear_tasks.download.zenodo import HOST, Record
from hear_tasks.registry import HearTask

RECORD = 5885750
"""All versions of the record together, of which Zenodo gives the latest."""

RATE = 48_000
"""Sample rate in Hz of what is on Zenodo."""

LICENCES = {
    "beehive_states_fold0": "CC BY 4.0",
    "beehive_states_fold1": "CC BY 4.0",
    "beijing_opera": "CC BY 4.0",
    "dcase2016_task2": "CC BY 3.0 and CC BY 4.0",
    "esc50": "CC BY-NC 3.0",
    "fsd50k": "CC BY 4.0, each clip its own",
    "gunshot_triangulation": "CC0 1.0",
    "libricount": "CC BY 4.0",
    "maestro": "CC BY-NC-SA 4.0",
    "mridangam_stroke": "CC BY 3.0",
    "mridangam_tonic": "CC BY 3.0",
    "nsynth_pitch": "CC BY 4.0",
    "speech_commands": "CC BY 4.0",
    "tfds_crema_d": "ODbL 1.0",
    "tfds_gtzan": "not known, its publisher names none",
    "tfds_gtzan_music_speech": "not known, its publisher names none",
    "vocal_imitation": "CC BY 4.0",
    "vox_lingua_top10": "CC BY 4.0, of videos whose rights stay with their owners",
}
"""Of the data sets behind the tasks, by the name of the task. The record's own LICENSE.txt decides.

Sources: for Beehive, Beijing Opera, DCASE 2016 and ESC-50 a copy of that LICENSE.txt (the dataset labhamlet/NatHEAR on
the Hugging Face hub), which names Zenodo 1321278, Zenodo 1285212, archive.org (dcase2016_task2_train_dev, CC BY 3.0,
and dcase2016_task2_test_public, CC BY 4.0) and the LICENSE of github.com/karolpiczak/ESC-50. FSD50K: its own
LICENSE-DATASET. LibriCount: Zenodo 1216072. MAESTRO and NSynth: magenta.tensorflow.org/datasets. Mridangam:
compmusic.upf.edu/mridangam-stroke-dataset, as mirdata quotes it. Speech Commands and CREMA-D: their LICENSE files.
GTZAN, genres and music/speech: Marsyas' page of data sets names none, as mirdata and MTEB found. VoxLingua107:
bark.phon.ioc.ee/voxlingua107. Gunshot, Zenodo 3997406: the same files are Dryad's wm37pvmkc, which lists of data name
as CC0, as all of Dryad is. Vocal Imitation: Zenodo 1340763, as VocSim's list of its sources quotes it. Not the pages
themselves, which could not be reached from where this was written, but copies and lists of them tell so.
"""


@dataclasses.dataclass(frozen=True)
class HearTarball(KeptAsTheyCome):
    """The tarball of a task.

    Attributes:
        task: the task.
        record: where it is at 48 kHz.
        bucket: where it is at another rate; None for 48 kHz.
    """

    task: HearTask
    record: Record
    bucket: Bucket | None = None
    needs = ("requests",)

    @property
    def names(self) -> tuple[str, ...]:
        if self.bucket is None:
            return (tarball_name(self.task),)
        return (f"hear2021-{self.task.directory}-{self.bucket.rate}.tar.gz",)

    @property
    def host(self) -> str:
        return HOST if self.bucket is None else self.bucket.host

    @property
    def licence(self) -> str:
        return LICENCES[self.task.name]

    def there(self, folder: pathlib.Path) -> tuple[str, ...]:
        return self.names if (folder / self.names[0]).exists() else ()

    def files(self, folder: pathlib.Path, mirror: Mirror | None) -> Sequence[RemoteFile]:
        (name,) = self.names
        if self.bucket is None:
            return [self.record.file(name, folder, mirror)]
        if mirror is None:
            return [self.bucket.file(name)]
        source = mirror.source(name)
        return [RemoteFile(name, source, measure(source))]

    def complete(self, work: pathlib.Path) -> None:
        """Keep the list of the record, too."""
        self.record.keep_list(work.parent.parent)

    def forget(self, folder: pathlib.Path) -> None:
        """Forget what the list that is kept tells of it."""
        self.record.forget(self.names, folder)

    def check(self, folder: pathlib.Path) -> str:
        (name,) = self.names
        file = folder / name
        listed = self.record.known(folder).get(name)
        if listed is None or listed.checksum is None:
            return check_archive(file)
        listed.checksum.check(file)
        return str(listed.checksum)

    def by_hand(self, folder: pathlib.Path) -> str:
        where = self.record.page if self.bucket is None else self.bucket.place
        return f"save {self.names[0]} from {where} in {folder}, and run this again, which checks it"


def tarball_name(task: HearTask) -> str:
    """Name of the tarball of a task, at 48 kHz."""
    return f"hear2021-{task.directory}-{RATE}.tar.gz"


@dataclasses.dataclass(frozen=True)
class TarballSize:
    """How much a tarball holds.

    Attributes:
        packed: bytes of it; 0 where nobody tells.
        unpacked: bytes of what it makes, modulo 2^32, as its last four bytes tell; None where they cannot be had.
    """

    packed: int
    unpacked: int | None = None


def tarball_sizes(tasks: Iterable[HearTask], folder: pathlib.Path, mirror: str | None) -> dict[HearTask, TarballSize]:
    """How much the tarballs of tasks hold; of those that nobody has, nothing.

    Args:
        tasks: which.
        folder: where they go, and where an earlier call may have left a list of them.
        mirror: a URL or folder that has them, in the place of Zenodo.

    Raises:
        HostError: the list of them cannot be had.
        ValueError: the mirror is none.
    """
    record, place = Record(RECORD), None if mirror is None else Mirror(mirror)
    sizes, gives_ends = {}, True
    for task in tasks:
        try:
            file = record.file(tarball_name(task), folder, place)
        except HostError:
            if not record.known(folder):
                raise
            continue
        end = None
        if gives_ends:  # of which nothing depends but how near an estimate is: who gives none is asked no more
            try:
                end = read_last(file, 4)
            except OSError:
                gives_ends = False
        sizes[task] = TarballSize(file.size or 0, None if end is None else int.from_bytes(end, "little"))
    if folder.is_dir():
        record.keep_list(folder)
    return sizes


def check_tarballs(folder: pathlib.Path, *, deep: bool) -> dict[str, str] | None:
    """What is wrong with the tarballs in a folder, by their names, as the list that lies beside them tells.

    Args:
        folder: to which `hear-cacophony download tasks` has brought them.
        deep: whether they are read for their MD5; their sizes are looked at otherwise.

    Returns:
        None where no such list is there.
    """
    listed = Record(RECORD).known(folder)
    wrong = {}
    for name, file in listed.items():
        if not (folder / name).is_file():
            continue
        size = (folder / name).stat().st_size
        if size != file.size:
            wrong[name] = f"expected {file.size:,} bytes, found {size:,}; is it cut?"
        elif deep and file.checksum is not None:
            try:
                file.checksum.check(folder / name)
            except WrongFileError as error:
                wrong[name] = str(error).removeprefix(f"{folder / name}: ")
    return wrong if listed else None
