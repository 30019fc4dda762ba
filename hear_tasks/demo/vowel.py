"""demo_vowel: which vowel ends a spoken syllable, from real recordings in four languages.

The recordings are those of KLettres (Debian package klettres-data): syllables of
consonants and one vowel. A fold is a language, so that no speaker is in two folds.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

import numpy as np

from hear_tasks.debian_packages import Source, SourceError, find_source
from hear_tasks.recordings import at_level, read_recording, trim
from hear_tasks.write_task import SAMPLE_RATE, Clip

PACKAGE = "klettres-data"
LANGUAGES = ("es", "it", "pt_BR", "tn")
"""Spanish, Italian, Brazilian Portuguese and Tswana: folds 0 to 3."""

VOCABULARY = ["a", "e", "i", "o", "u"]
SYLLABLE = re.compile(r"[b-df-hj-np-tv-z]+([aeiou])")
"""Consonants, then one vowel."""

METADATA = {
    "embedding_type": "scene",
    "prediction_type": "multiclass",
    "split_mode": "presplit_kfold",
    "nfolds": len(LANGUAGES),
    "sample_duration": 1.0,
    "evaluation": ["top1_acc", "mAP", "d_prime", "aucroc"],
}


def read_splits(sources: pathlib.Path | None) -> tuple[dict[str, Iterator[Clip]], str]:
    """Clips by split, made as they are asked for, and the attribution; see `hear_tasks.demo.tasks.build`."""
    source = find_source(PACKAGE, sources)
    splits = {f"fold{i:02d}": _clips(source, language) for i, language in enumerate(LANGUAGES)}
    return splits, _attribution(source)


def vowel_of(syllable: str) -> str | None:
    """The vowel that ends a syllable of consonants and one vowel; None for any other."""
    match = SYLLABLE.fullmatch(syllable)
    return match[1] if match else None


def _clips(source: Source, language: str) -> Iterator[Clip]:
    folder = source.folder / "usr" / "share" / "klettres" / language / "syllab"
    files = [(file, vowel) for file in sorted(folder.glob("*.ogg")) if (vowel := vowel_of(file.stem))]
    if not files:
        raise SourceError(f"{folder}: expected recordings of syllables (*.ogg), found none; is this {PACKAGE}?")
    for file, vowel in files:
        yield Clip(f"{language}-{file.stem}.wav", _one_second(file), [vowel])


def _one_second(file: pathlib.Path) -> np.ndarray:
    """The syllable, from its start, one second long, at a common level."""
    spoken = at_level(_loudest_second(trim(read_recording(file))))
    return np.pad(spoken, (0, SAMPLE_RATE - len(spoken)))


def _loudest_second(samples: np.ndarray) -> np.ndarray:
    """The second with the most energy: where a recording is noisy, its noise outlasts the syllable."""
    if len(samples) <= SAMPLE_RATE:
        return samples
    energy = np.cumsum(np.pad(samples**2, (1, 0)))
    start = int(np.argmax(energy[SAMPLE_RATE:] - energy[:-SAMPLE_RATE]))
    return samples[start : start + SAMPLE_RATE]


def _attribution(source: Source) -> str:
    return (
        f"Recordings: KLettres, from the Debian package {source.package}, version {source.version}.\n"
        "Copyright 2001-2011 Anne-Marie Mahfouf and others. Licence: GPL-2+.\n"
        "Trimmed, cut or padded to 1 s, brought to 16 kHz mono and to a common level.\n"
    )
