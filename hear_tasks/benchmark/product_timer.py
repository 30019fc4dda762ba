"""The time that torch's matrix products take."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)


class ProductTimer(TorchDispatchMode):
    """Within it, the products of this thread are timed on the CPU, those of backward passes among them.

    torch's profiler would tell the same, but keeps every operation: gigabytes for a training of some minutes.

    Attributes:
        seconds: of all products so far.
        count: how many there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func not in _PRODUCTS:
            return func(*args, **(kwargs or {}))
        start = time.perf_counter()
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.seconds += time.perf_counter() - start
            self.count += 1
