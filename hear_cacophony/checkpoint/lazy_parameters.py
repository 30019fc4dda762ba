"""Parameters that are read when they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np


class LazyParameters(Mapping[str, np.ndarray]):
    """Arrays by path, each read anew whenever it is taken, so that none is held here.

    Args:
        paths: the names there are.
        read: gives the array of a path.
    """

    def __init__(self, paths: Iterable[str], read: Callable[[str], np.ndarray]) -> None:
        self._paths = tuple(paths)
        self._read = read

    def __getitem__(self, path: str) -> np.ndarray:
        if path not in self._paths:
            raise KeyError(path)
        return self._read(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
