"""The samples of Sonic Pi (Debian package sonic-pi-samples), and how they part into splits."""

from __future__ import annotations

import fnmatch
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from hear_tasks.debian_packages import Source, SourceError

PACKAGE = "sonic-pi-samples"
SPLITS = ("train", "valid", "test")

KIN = (
    ("bd_808", "bd_mehackit"),
    ("bd_gas", "bd_klub", "loop_breakbeat"),
    ("bd_zome", "loop_industrial"),
    ("drum_bass_hard", "drum_bass_soft"),
    ("drum_cymbal_hard", "drum_cymbal_soft"),
    ("drum_tom_hi_hard", "drum_tom_hi_soft"),
    ("drum_tom_lo_hard", "drum_tom_lo_soft"),
    ("drum_tom_mid_hard", "drum_tom_mid_soft"),
    ("loop_amen", "loop_amen_full"),
    ("tabla_ghe1", "tabla_ghe4"),
    ("tabla_ghe2", "tabla_ghe3", "tabla_ghe7"),
    ("tabla_te2", "tabla_te_m"),
    ("tabla_tun1", "tabla_tun2", "tabla_tun3"),
)
"""Samples so alike that one may be made of the other: those that last 0.25 s and correlate by more than 0.75 at
their best lag, and two versions of one drum break. They go to the same split."""


def find_samples(source: Source, patterns: Mapping[str, Sequence[str]]) -> dict[str, dict[str, pathlib.Path]]:
    """The files of each label, by name.

    Args:
        source: the unpacked package.
        patterns: for each label, shell patterns of the names of its samples.

    Raises:
        SourceError: the package has no sample of a label.
    """
    folder = source.folder / "usr" / "share" / "sonic-pi" / "samples"
    files = {file.stem: file for file in sorted(folder.glob("*.flac"))}
    found = {
        label: {name: file for name, file in files.items() if any(fnmatch.fnmatchcase(name, each) for each in globs)}
        for label, globs in patterns.items()
    }
    for label, samples in found.items():
        if not samples:
            names = ", ".join(f"{each}.flac" for each in patterns[label])
            raise SourceError(f"{folder}: expected samples {names}, found none; is this {PACKAGE}?")
    return found


def split_samples(
    samples: Mapping[str, Mapping[str, pathlib.Path]], random: np.random.Generator
) -> dict[str, dict[str, list[pathlib.Path]]]:
    """Files of each label in each of `SPLITS`: a quarter of each label in valid, a quarter in test.

    Raises:
        SourceError: a label has too few samples for the splits.
    """
    split_of: dict[str, str] = {}
    for label, files in samples.items():
        groups = sorted({_kin(name) for name in files if name not in split_of})
        quarter = max(1, round(len(groups) / 4))
        if len(groups) <= 2 * quarter:
            raise SourceError(
                f"{next(iter(files.values())).parent}: expected three or more samples of {label!r} that differ, "
                f"found {len(groups)}; is the package damaged?"
            )
        for i, group in enumerate(random.permutation(len(groups))):
            split = "valid" if i < quarter else "test" if i < 2 * quarter else "train"
            split_of.update(dict.fromkeys(groups[group], split))
    return {
        split: {
            label: [file for name, file in files.items() if split_of[name] == split] for label, files in samples.items()
        }
        for split in SPLITS
    }


def credit(source: Source, treatment: str) -> str:
    """Where the samples are from, and what was done with them."""
    return (
        f"Recordings: the samples of Sonic Pi, from the Debian package {source.package}, version {source.version}.\n"
        "Made by users of freesound.org, who have put them in the public domain: licence CC0 1.0. The package lists\n"
        f"them with their sources in usr/share/sonic-pi/samples/README.md.\n{treatment}\n"
    )


def _kin(name: str) -> tuple[str, ...]:
    return next((group for group in KIN if name in group), (name,))
