"""The network that heareval 2021.1.3 trains on embeddings, drawn from the same random numbers."""

from __future__ import annotations

import functools
import math
from typing import Literal

import torch

from hear_tasks.predict.grids import Configuration

_BITS = 53
"""Of a 64-bit number, those that torch compares."""

_CHUNK = 1 << 15
"""Numbers that stay in a core's cache."""


class Dropout(torch.nn.Module):
    """As `torch.nn.Dropout`, with the noise that torch draws on a CPU, in less time.

    torch compares one 64-bit number of its generator after the other with a probability; here whole tensors of such
    numbers are drawn and compared.
    """

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


_SUMMARY_ROWS = 64
"""heareval describes each new network with torchinfo, which draws an input of so many rows."""


def make_network(n_features: int, n_labels: int, configuration: Configuration) -> torch.nn.Sequential:
    """A new network from embeddings (rows, n_features) to logits (rows, n_labels), in training mode, on the CPU.

    torch's generator has drawn afterwards what it has drawn in heareval.
    """
    initialize = configuration["initialization"]
    layers: list[torch.nn.Module] = []
    width = n_features
    activation: Literal["linear", "relu"] = "linear"
    for _ in range(configuration["hidden_layers"]):
        linear = _make_linear(width, configuration["hidden_dim"], initialize, activation)
        width, activation = configuration["hidden_dim"], "relu"
        norm = configuration["hidden_norm"](width)
        unit = [Dropout(configuration["dropout"]), torch.nn.ReLU()]
        layers += [linear, *([*unit, norm] if configuration["norm_after_activation"] else [norm, *unit])]
    layers.append(_make_linear(width, n_labels, initialize, activation))
    torch.rand(_SUMMARY_ROWS, n_features)
    return torch.nn.Sequential(*layers)


def _make_linear(inputs: int, outputs: int, initialize, activation: Literal["linear", "relu"]) -> torch.nn.Linear:
    linear = torch.nn.Linear(inputs, outputs)
    initialize(linear.weight, gain=torch.nn.init.calculate_gain(activation))
    return linear


def draw_for_pass() -> None:
    """Draw what a data loader draws at the beginning of each pass over its rows."""
    torch.empty((), dtype=torch.int64).random_()
