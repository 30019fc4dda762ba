"""Disk and memory that heareval will need, against what there is."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Iterable, Sequence

from hear_cacophony.files import lock
from hear_cacophony.files.cache_folder import CACHE_ADVICE, cache_folder
from hear_cacophony.files.host_memory import available_memory as host_memory
from hear_tasks.doctor.audio import Audio
from hear_tasks.doctor.metadata import Metadata
from hear_tasks.doctor.report import Findings, gigabytes
from hear_tasks.doctor.splits import Split
from hear_tasks.registry import EmbeddingType

HOP_SECONDS = 0.04
"""Seconds between timestamp embeddings unless they are asked for otherwise."""

_BLOCK_BYTES = 4096  # least room of a file
_ROW_TEXT_BYTES = 250  # file name, timestamp and labels of one timestamp in heareval's JSON files
_ROW_OBJECT_BYTES = 600  # the same as Python objects


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """The sample rate in Hz that a model takes, and the sizes of its embeddings."""

    sample_rate: int
    scene_embedding_size: int
    timestamp_embedding_size: int


ENCODERS = ModelFacts(16_000, 768, 768)
"""The encoders of this package."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a run on some tasks takes, in bytes: room for the embeddings, and memory for the predictions."""

    disk: int
    memory: int


@dataclasses.dataclass(frozen=True)
class Resources:
    """Needs, and what there is: free room where the embeddings go, and available memory, None if not known."""

    needs: Needs
    folder: str
    free_disk: int | None
    available_memory: int | None


def estimate_needs(
    splits: Sequence[Split], audio: Audio, metadata: Metadata, labels: int, model: ModelFacts = ENCODERS
) -> Needs:
    """Estimate what embeddings of a model take on disk, and heareval's predictions in memory.

    heareval writes each clip's embedding to a file of its own and again into one file for each split, both
    float32. For predictions it loads the splits as tensors, each of them for a moment twice, with a vector of
    the labels for each row.
    """
    rows = {split.name: 0 for split in splits}
    events = metadata.embedding_type == EmbeddingType.EVENT
    for split, name in audio.files:
        rows[split] += max(1, round((audio.seconds(split, name) or 0) / HOP_SECONDS)) if events else 1
    row = 4 * (model.timestamp_embedding_size if events else model.scene_embedding_size)
    total, largest = sum(rows.values()), max(rows.values(), default=0)
    files = (3 if events else 2) * len(audio.files)
    text = _ROW_TEXT_BYTES * total if events else 0
    disk = 2 * total * row + files * _BLOCK_BYTES + text
    objects = _ROW_OBJECT_BYTES if events else _ROW_OBJECT_BYTES // 2
    return Needs(disk, total * (row + 4 * labels + objects) + largest * row)


def check_resources(needs: Iterable[Needs], embeddings_dir: pathlib.Path, findings: Findings) -> Resources:
    """Compare the needs of all tasks (disk: their sum; memory: the largest) with what there is."""
    all_needs = list(needs)
    total = Needs(sum(each.disk for each in all_needs), max((each.memory for each in all_needs), default=0))
    folder = _existing(embeddings_dir)
    resources = Resources(total, str(folder), _free_disk(folder), host_memory())
    if resources.free_disk is not None and total.disk > resources.free_disk:
        findings.error(
            "disk",
            str(embeddings_dir),
            f"expected about {gigabytes(total.disk)} of room for the embeddings of one model, found "
            f"{gigabytes(resources.free_disk)}",
            "free some, or name another folder with --embeddings-dir, here and for heareval",
        )
    if resources.available_memory is not None and total.memory > resources.available_memory:
        findings.warn(
            "memory",
            "memory",
            f"expected about {gigabytes(total.memory)} for the predictions of the largest task, found "
            f"{gigabytes(resources.available_memory)} available",
            "give heareval's predictions --in-memory false, or use a machine with more memory",
        )
    if folder.is_dir() and not os.access(folder, os.W_OK):
        message = f"expected a folder for the embeddings that can be written, got {folder} without leave to write"
        findings.error("disk", str(embeddings_dir), message, "name another folder with --embeddings-dir")
    elif not folder.is_dir():
        message = f"expected a folder for the embeddings, found the file {folder}"
        findings.error("disk", str(embeddings_dir), message, "name another folder with --embeddings-dir")
    elif not _has_locks(folder):
        findings.warn(
            "locks",
            str(embeddings_dir),
            f"expected a file system with locks, found none in {folder} (NFS without its lock service, or Lustre "
            "mounted without -o flock?)",
            "start no second process on this folder, or name another with --embeddings-dir",
        )
    return resources


def check_cache(findings: Findings) -> None:
    """Whether the cache folder can be written to, for which nothing is written."""
    cache = cache_folder()
    there = _existing(cache)
    if not there.is_dir():
        came = f"the file {there}"
    elif not os.access(there, os.W_OK | os.X_OK):
        came = f"{there} without leave to write"
    else:
        return
    findings.warn(
        "cache",
        "cache",
        f"expected a cache folder that can be written, {cache}, got {came}: functions are compiled anew by each "
        "process, and sounds of your own cannot be searched",
        CACHE_ADVICE,
    )


def _has_locks(folder: pathlib.Path) -> bool:
    try:
        return lock.has_locks(folder)
    except OSError:  # one that cannot be read, of which there is another finding
        return True


def _existing(folder: pathlib.Path) -> pathlib.Path:
    """The folder, or the nearest one above it that is there."""
    absolute = folder.absolute()
    return next((each for each in (absolute, *absolute.parents) if os.path.exists(each)), absolute)


def _free_disk(folder: pathlib.Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
