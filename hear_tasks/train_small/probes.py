"""Two tasks from packages that are not trained on: strokes by what was struck, and samples by their kind."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hear_tasks.debian_packages import SourceError, find_source
from hear_tasks.recordings import PERCUSSIVE_RMS, at_level, read_recording
from hear_tasks.train_small.packages import KITS, SAMPLES
from hear_tasks.write_task import SAMPLE_RATE, Clip, write_task

_FOLDS = 5

STRUCK = ("clap", "crash", "hat", "kick", "ride", "snare", "tom")
"""What was struck, as names of recordings have it."""

KINDS = {
    "basses": "bass", "bassloops": "bass", "beats": "beat", "latin": "beat", "drums": "drum",
    "instruments": "instrument", "effects": "misc", "misc": "misc", "stringsnpads": "pad",
}  # fmt: skip
"""Kinds of samples, by their folders."""

_MOST_OF_A_KIT = 8
"""Most strokes of a kind that are taken of a kit: large kits are not to outweigh the others."""

_SHORTEST, _LONGEST = 3 * SAMPLE_RATE // 10, 5 * SAMPLE_RATE
"""Samples of a clip: shorter recordings are followed by silence, longer ones cut."""

_METADATA = {
    "version": "v1",
    "mode": "full",
    "embedding_type": "scene",
    "prediction_type": "multiclass",
    "split_mode": "presplit_kfold",
    "nfolds": _FOLDS,
    "sample_duration": None,
    "evaluation": ["top1_acc", "mAP", "d_prime", "aucroc"],
}


def build_probes(tasks: pathlib.Path, sources: pathlib.Path | None, tell: Callable[[str], None]) -> None:
    """Build both in a folder of HEAR tasks, where they are not there.

    Args:
        tasks: the folder.
        sources: see `find_source`.
        tell: told of recordings that cannot be read, of which the packages have a few, and which are left out.

    Raises:
        SourceError: a package is not to be had, or has not what it should.
    """
    for name, labels, read in (
        ("probe_strokes", list(STRUCK), _strokes),
        ("probe_samples", sorted(set(KINDS.values())), _samples),
    ):
        task = tasks / f"{name}-v1-full"
        if not task.exists():
            folds, packages = read(sources)
            seen: set[bytes] = set()
            splits = {f"fold{fold:02d}": _clips(files, seen, tell) for fold, files in enumerate(folds)}
            credits = f"Recordings: the Debian packages {', '.join(packages)}; their licences lie in them.\n"
            metadata: Mapping[str, Any] = {"task_name": name, **_METADATA}
            write_task(task, metadata, labels, splits, credits)


_Fold = list[tuple[pathlib.Path, str]]


def _strokes(sources: pathlib.Path | None) -> tuple[list[_Fold], Sequence[str]]:
    """Strokes of drum kits; those of a kit are in one fold."""
    folders = [find_source(package, sources).folder / "usr/share/hydrogen/data/drumkits" for package in KITS]
    kits = sorted((kit for folder in folders if folder.is_dir() for kit in folder.iterdir()), key=lambda kit: kit.name)
    if len(kits) < _FOLDS:
        raise SourceError(f"{folders[-1]}: expected {_FOLDS} or more drum kits, found {len(kits)}; is the package cut?")
    folds: list[_Fold] = [[] for _ in range(_FOLDS)]
    for number, kit in enumerate(kits):
        for label in STRUCK:
            files = [file for file in _files(kit) if _struck(file) == [label]]
            folds[number % _FOLDS] += [(file, label) for file in files[:_MOST_OF_A_KIT]]
    return folds, KITS


def _samples(sources: pathlib.Path | None) -> tuple[list[_Fold], Sequence[str]]:
    """Samples of a music program, dealt to the folds at random."""
    folder = find_source(SAMPLES, sources).folder / "usr/share/lmms/samples"
    files = [(file, KINDS[file.parent.name]) for file in _files(folder) if file.parent.name in KINDS]
    order = np.random.default_rng(0).permutation(len(files))
    return [[files[i] for i in order[fold::_FOLDS]] for fold in range(_FOLDS)], (SAMPLES,)


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".wav", ".flac", ".ogg", ".au"))


def _struck(file: pathlib.Path) -> list[str]:
    """All that the name of a recording speaks of."""
    return [label for label in STRUCK if label in file.stem.lower()]


def _clips(files: _Fold, seen: set[bytes], tell: Callable[[str], None]) -> Iterator[Clip]:
    """The recordings as clips; one that was seen in this fold or an earlier one comes once."""
    for number, (file, label) in enumerate(files):
        try:
            samples = at_level(read_recording(file)[:_LONGEST], PERCUSSIVE_RMS)
        except SourceError as error:
            tell(f"left out of a probe: {error}")
            continue
        clip = np.pad(samples, (0, max(0, _SHORTEST - len(samples))))
        if clip.tobytes() not in seen:
            seen.add(clip.tobytes())
            yield Clip(f"{number:03d}-{file.stem}.wav", clip, [label])
