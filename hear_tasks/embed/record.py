"""What is noted beside the embeddings of a task: which files are whole, and which audio they were made from."""

from __future__ import annotations

import json
import math
import pathlib
from concurrent.futures import ThreadPoolExecutor

from hear_cacophony.files.file_identity import ContentDigests
from hear_tasks.embed.task import READERS, Task
from hear_tasks.task_folder import EMBEDDED_FILE, METADATA_FILE, VOCABULARY_FILE, lost_files_of
from hear_tasks.text_files import listed, read_if_whole, read_object_if_whole

RECORD_FILE = "embedded-from.json"
"""For each folder of audio, RATE/SPLIT, the digest of each clip's content by its name, and what spares reading it."""

_SPLIT_FILES = (".json", ".embeddings.npy", ".embedding-dimensions.json", ".target-labels.pkl")
_EVENT_FILE = ".filename-timestamps.json"
_FLOAT_BYTES = 4
_MAX_NAMED = 3


def write_record(folder: pathlib.Path, task: Task) -> None:
    """Note in the folder of a task's embeddings what its clips were."""
    audio: dict[str, dict[str, str]] = {}
    for split, clips in task.clips_by_split():
        members = task.clips[clips.start : clips.stop]
        place = members[0].file.parent.relative_to(task.folder)
        audio[place.as_posix()] = {name: clip.digest for name, clip in zip(split.order, members, strict=True)}
    record = {"audio": audio, "states": sorted(task.digests.rows())}
    (folder / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")


def write_mark(folder: pathlib.Path) -> None:
    """Mark the embeddings in a folder as finished, with the sizes of their files."""
    names = _names(folder)
    for split in _splits(folder):
        names += [f"{split}/{file.name}" for file in sorted((folder / split).glob("*"))]  # the files of each clip
    sizes = {name: (folder / name).stat().st_size for name in names}
    (folder / EMBEDDED_FILE).write_text(json.dumps(sizes), encoding="utf-8")


def lost_files(target: pathlib.Path) -> dict[str, str]:
    """The files of finished embeddings that are not as they were, by their names: "gone", or how much is left.

    heareval's own mark tells no sizes: there, what its predictions read has to be there, and not to be empty.
    """
    if not (target / EMBEDDED_FILE).exists():
        return {}
    noted = read_if_whole(target / EMBEDDED_FILE)
    sizes = noted if isinstance(noted, dict) else {name: _size_by_shape(target, name) for name in _names(target)}
    return lost_files_of(target, sizes)


def describe_lost(lost: dict[str, str]) -> str:
    """What `lost_files` found, for people."""
    return _named([f"{name} ({what})" for name, what in lost.items()], "files")


def _names(folder: pathlib.Path) -> list[str]:
    """Names of the files of embeddings that predictions read."""
    events = read_object_if_whole(folder / METADATA_FILE).get("embedding_type") == "event"
    endings = (*_SPLIT_FILES, _EVENT_FILE) if events else _SPLIT_FILES
    return [METADATA_FILE, VOCABULARY_FILE, *(f"{split}{ending}" for split in _splits(folder) for ending in endings)]


def _splits(folder: pathlib.Path) -> list[str]:
    splits = read_object_if_whole(folder / METADATA_FILE).get("splits")
    return splits if isinstance(splits, list) else []


def _size_by_shape(target: pathlib.Path, name: str) -> int | None:
    """Bytes that a file of embeddings has by the file with their shape; None of other files."""
    split = name.removesuffix(".embeddings.npy")
    shape = read_shape(target / f"{split}.embedding-dimensions.json") if split != name else None
    return None if shape is None else _FLOAT_BYTES * math.prod(shape)


def read_shape(file: pathlib.Path) -> tuple[int, int] | None:
    """How many embeddings a split has, and their size, by the file that tells both; None where it does not."""
    shape = read_if_whole(file)
    tells = isinstance(shape, list) and len(shape) == 2 and all(type(each) is int and each >= 0 for each in shape)
    return (shape[0], shape[1]) if tells else None


def compare_with_task(target: pathlib.Path, task: pathlib.Path) -> list[str]:
    """What has changed in a task since it was embedded; [] if nothing has, or nothing can be told.

    A copy of a task is the same as long as its content is.

    heareval's own embeddings tell of metadata, vocabulary and labels alone.
    """
    if not (target / EMBEDDED_FILE).exists():
        return []
    lost = lost_files(target)
    copied = [name for name in (METADATA_FILE, VOCABULARY_FILE) if name not in lost]
    differences = [told for name in copied if (told := _compare_file(target / name, task / name))]
    for split in _splits(target):
        differences += _compare_split(target / f"{split}.json", task / f"{split}.json")
    record = read_object_if_whole(target / RECORD_FILE)
    if "audio" in record:
        digests = ContentDigests(record["states"])
        for folder, clips in record["audio"].items():
            if (task / pathlib.Path(folder).parts[0]).is_dir():  # audio of a rate may go, as a whole, when it is used
                differences += _compare_audio(task / folder, clips, digests)
    return differences


def _compare_split(embedded: pathlib.Path, now: pathlib.Path) -> list[str]:
    before, after = read_if_whole(embedded), read_if_whole(now)
    if not isinstance(before, dict):
        return []
    if not isinstance(after, dict):
        return [f"{now.name} is gone, or cannot be read"]
    if list(before) == list(after):
        changed = [name for name in before if before[name] != after[name]]
        return [f"{now.name}: labels of {_named(changed)} differ"] if changed else []
    added, removed = [n for n in after if n not in before], [n for n in before if n not in after]
    told = [f"{now.name}: {_named(added)} added"] if added else []
    told += [f"{now.name}: {_named(removed)} removed"] if removed else []
    return told or [f"{now.name}: the clips are in another order, which the rows of embeddings go by"]


def _compare_audio(folder: pathlib.Path, clips: dict[str, str], digests: ContentDigests) -> list[str]:
    def digest(name: str) -> str | None:
        try:
            return digests.of(folder / name)
        except OSError:
            return None

    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(clips, pool.map(digest, clips), strict=True))
    changed = [name for name in clips if found[name] not in (None, clips[name])]
    missing = [name for name in clips if found[name] is None]
    told = [f"{folder.name}: audio of {_named(changed)} is another"] if changed else []
    return told + ([f"{folder.name}: audio of {_named(missing)} is gone, or cannot be read"] if missing else [])


def _compare_file(embedded: pathlib.Path, now: pathlib.Path) -> str:
    """What is to be said of a file that was copied; "" where it is the same, or was not copied."""
    if not embedded.exists():
        return ""
    try:
        return "" if embedded.read_bytes() == now.read_bytes() else f"{now.name} differs"
    except OSError:
        return f"{now.name} is gone, or cannot be read"


def _named(names: list[str], what: str = "clips") -> str:
    return f"{listed(names, _MAX_NAMED)}{f' {what}' if len(names) > _MAX_NAMED else ''}"
