"""Dropout with the noise that torch draws on a CPU, in less time.

torch compares one 64-bit number of its generator after the other with a probability; here whole tensors of such
numbers are drawn and compared.
"""

from __future__ import annotations

import functools
import math

import torch

_BITS = 53
"""Of a 64-bit number, those that torch compares."""

_CHUNK = 1 << 15
"""Numbers that stay in a core's cache."""


class Dropout(torch.nn.Module):
    """As `torch.nn.Dropout`, with the same draws."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Set a share of the elements to 0 and scale the others, in training."""
        if self.training and x.device.type == "cpu" and 0 < self._share < 1 and _draws_are_known():
            return x * _draw_noise(x.shape, self._share)
        return torch.nn.functional.dropout(x, self._share, self.training)


def _draw_noise(shape: torch.Size, share: float) -> torch.Tensor:
    """What dropout multiplies its input by: 0, or what keeps the mean."""
    noise = torch.empty(shape.numel())
    numbers = torch.empty(min(_CHUNK, len(noise)), dtype=torch.int64)
    limit = math.ceil((1 - share) * 2.0**_BITS)
    for chunk in noise.split(_CHUNK):
        drawn = numbers[: len(chunk)].random_().bitwise_and_(2**_BITS - 1)
        chunk.copy_(torch.lt(drawn, limit, out=drawn))
    return noise.div_(1 - share).view(shape)


@functools.cache
def _draws_are_known() -> bool:
    """Whether torch draws so; with Intel's processors dropout has another generator."""
    shape, share = torch.Size((7, 5)), 0.3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        ours, our_state = _draw_noise(shape, share), torch.get_rng_state()
        torch.manual_seed(1)
        theirs = torch.empty(shape).bernoulli_(1 - share).div_(1 - share)
        return torch.equal(ours, theirs) and torch.equal(our_state, torch.get_rng_state())
