"""demo_tags: which families of sounds a clip holds, from real recordings, alone and in pairs.

The recordings are the samples of Sonic Pi (Debian package sonic-pi-samples), whose names begin with their
family. A clip holds one, or two of different families mixed; no sample is in two splits.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hear_tasks.debian_packages import find_source
from hear_tasks.demo import sonic_pi
from hear_tasks.recordings import PERCUSSIVE_RMS, at_level, read_recording
from hear_tasks.write_task import SAMPLE_RATE, Clip

VOCABULARY = ["ambi", "bass", "bd", "drum", "elec", "guit", "loop", "perc", "sn", "tabla"]
METADATA = {
    "embedding_type": "scene",
    "prediction_type": "multilabel",
    "split_mode": "trainvaltest",
    "sample_duration": None,
    "evaluation": ["mAP", "top1_acc", "d_prime", "aucroc"],
}
MIXES = {"train": 70, "valid": 35, "test": 35}
"""Clips of two samples in each split, beside those of one."""

SHORTEST = 3 * SAMPLE_RATE // 10
"""Samples of the shortest clip, 0.3 s: shorter recordings are followed by silence."""

LONGEST = 10 * SAMPLE_RATE
"""Samples of the longest clip, 10 s: longer recordings are cut."""

SEED = 0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a clip is made of.

    Attributes:
        files: samples by their families, one or two.
        place: where the shorter of two lies in the longer: 0 at its start, 1 at its end.
    """

    files: Mapping[str, pathlib.Path]
    place: float = 0.0


def read_splits(sources: pathlib.Path | None) -> tuple[dict[str, Iterator[Clip]], str]:
    """Clips by split, made as they are asked for, and the attribution; see `hear_tasks.demo.tasks.build`."""
    source = find_source(sonic_pi.PACKAGE, sources)
    random = np.random.default_rng(SEED)
    samples = sonic_pi.find_samples(source, {family: [f"{family}_*"] for family in VOCABULARY})
    recipes = {
        split: _singles(families) + _draw_mixes(families, MIXES[split], random)
        for split, families in sonic_pi.split_samples(samples, random).items()
    }
    treatment = "Brought to 16 kHz mono and to a common level, cut at 10 s, mixed in pairs."
    return {split: _clips(each) for split, each in recipes.items()}, sonic_pi.credit(source, treatment)


def _singles(families: Mapping[str, Sequence[pathlib.Path]]) -> list[Recipe]:
    return [Recipe({family: file}) for family, files in families.items() for file in files]


def _draw_mixes(
    families: Mapping[str, Sequence[pathlib.Path]], count: int, random: np.random.Generator
) -> list[Recipe]:
    """Mixes in which each pair of families comes once before one comes again, however large the families are."""
    pairs = list(itertools.combinations(families, 2))
    rounds = -(-count // len(pairs))
    drawn = [pairs[i] for _ in range(rounds) for i in random.permutation(len(pairs))][:count]
    return [
        Recipe({name: families[name][int(random.integers(len(families[name])))] for name in pair}, random.random())
        for pair in drawn
    ]


def _clips(recipes: Sequence[Recipe]) -> Iterator[Clip]:
    for i, recipe in enumerate(recipes):
        names = "-".join(file.stem for file in recipe.files.values())
        yield Clip(f"{i:03d}-{names}.wav", _mix(recipe), list(recipe.files))


def _mix(recipe: Recipe) -> np.ndarray:
    """The samples at the common level, each of them and their sum."""
    parts = [at_level(read_recording(file)[:LONGEST], PERCUSSIVE_RMS) for file in recipe.files.values()]
    mixed = np.zeros(max(SHORTEST, *map(len, parts)))
    for part in parts:
        start = round(recipe.place * (max(map(len, parts)) - len(part)))
        mixed[start : start + len(part)] += part
    return at_level(mixed, PERCUSSIVE_RMS)
