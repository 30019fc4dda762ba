"""The network that heareval 2021.1.3 trains on embeddings, drawn from the same random numbers."""

from __future__ import annotations

from typing import Literal

import torch

from hear_tasks.predict.dropout import Dropout
from hear_tasks.predict.grids import Configuration

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
