"""Which splits of a task a network is trained, chosen and tested on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Partition:
    """What one network is trained, chosen and tested on: names of splits."""

    train: tuple[str, ...]
    valid: str
    test: str

    def to_json(self) -> dict[str, list[str]]:
        """As heareval writes it."""
        return {"train": list(self.train), "valid": [self.valid], "test": [self.test]}


def partition_splits(splits: Sequence[str], split_mode: str) -> tuple[Partition, ...]:
    """The partitions of a task, as heareval takes them.

    In k folds each one is tested on once, the next one chooses, the others train.

    Raises:
        ValueError: these are not the splits of such a task.
    """
    if split_mode == "trainvaltest":
        if not {"train", "valid", "test"} <= set(splits):
            raise ValueError(f"expected the splits train, valid and test, got {', '.join(splits)}")
        return (Partition(("train",), "valid", "test"),)
    folds = sorted(splits)
    if len(folds) < 3 or len(set(folds)) != len(folds):
        raise ValueError(f"expected three folds or more, all different, got {', '.join(splits)}")
    chosen = [(test, folds[(number + 1) % len(folds)]) for number, test in enumerate(folds)]
    return tuple(Partition(tuple(f for f in folds if f not in (test, valid)), valid, test) for test, valid in chosen)
