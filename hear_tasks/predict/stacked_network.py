"""Networks of one form that compute together: their parameters are stacked, their inputs may differ.

Activations have the shape (networks, width, rows), so that the first product is a single one where the networks
share their input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hear_tasks.predict.grids import Configuration
from hear_tasks.predict.network import make_network

Parameters = dict[str, torch.Tensor]
"""Parameters and buffers by their name in a single network."""

_MOMENTUM = 0.1
_EPSILON = 1e-5
"""Those of `torch.nn.BatchNorm1d`."""


class StackedNetwork:
    """Networks with the same layers, each with a seed of its own.

    Attributes:
        state: stacked parameters and buffers, (networks, ...) each.
        parameters: those of the state that are trained.
    """

    def __init__(
        self,
        n_features: int,
        n_labels: int,
        configurations: Sequence[Configuration],
        seeds: Sequence[int],
        device: torch.device,
    ) -> None:
        self._configuration = configurations[0]
        states = []
        for configuration, seed in zip(configurations, seeds, strict=True):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = make_network(n_features, n_labels, configuration)
            states.append({name: tensor.detach() for name, tensor in network.state_dict().items()})
            trained = [name for name, _ in network.named_parameters()]
        self.state: Parameters = {name: torch.stack([each[name] for each in states]).to(device) for name in states[0]}
        self._trained = trained
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        for parameter in self.parameters:
            parameter.requires_grad_()

    @property
    def parameters(self) -> list[torch.Tensor]:
        """What is trained, (networks, ...) each."""
        return [self.state[name] for name in self._trained]

    def choose(self, kept: Sequence[int]) -> None:
        """Go on with some of the networks only."""
        index = torch.tensor(kept, device=self.parameters[0].device)
        self.state = {name: tensor.detach().index_select(0, index) for name, tensor in self.state.items()}
        self._generators = [self._generators[number] for number in kept]
        for parameter in self.parameters:
            parameter.requires_grad_()

    def one(self, number: int) -> Parameters:
        """Copy of the state of one network, as a single one has it."""
        return {name: tensor[number].detach().clone() for name, tensor in self.state.items()}

    def logits(self, inputs: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        """Logits of embeddings.

        Args:
            inputs: (networks, size, rows), or (size, rows) for all of them.
            rows: in training, 1 for each row that counts, 0 for what fills up, (networks or 1, 1, rows); else None.

        Returns:
            (networks, labels, rows).
        """
        configuration, x = self._configuration, inputs
        after = configuration["norm_after_activation"]
        for layer in range(configuration["hidden_layers"]):
            first = 4 * layer
            x = self._linear(first, x)
            if not after:
                x = self._norm(first + 1, x, rows)
            x = torch.relu(self._dropout(x) if rows is not None else x)
            if after:
                x = self._norm(first + 3, x, rows)
        return self._linear(4 * configuration["hidden_layers"], x)

    def _linear(self, layer: int, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.state[f"{layer}.weight"], self.state[f"{layer}.bias"].unsqueeze(-1)
        if x.ndim == 3:
            return torch.baddbmm(bias, weight, x)
        networks, outputs, inputs = weight.shape
        return torch.addmm(bias.view(-1, 1), weight.view(-1, inputs), x).view(networks, outputs, -1)

    def _norm(self, layer: int, x: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        weight, bias, mean, variance = (
            self.state[f"{layer}.{name}"].unsqueeze(-1) for name in ("weight", "bias", "running_mean", "running_var")
        )
        if rows is not None:
            count = rows.sum(dim=-1, keepdim=True)
            running_mean, running_variance = mean, variance
            mean = (x * rows).sum(dim=-1, keepdim=True) / count
            variance = ((x - mean).square() * rows).sum(dim=-1, keepdim=True) / count
            with torch.no_grad():
                running_mean.lerp_(mean.detach(), _MOMENTUM)
                running_variance.lerp_(variance.detach() * count / (count - 1), _MOMENTUM)
        return (x - mean) * torch.rsqrt(variance + _EPSILON) * weight + bias

    def _dropout(self, x: torch.Tensor) -> torch.Tensor:
        share = self._configuration["dropout"]
        if not share:
            return x
        noise = torch.empty_like(x)
        for each, generator in zip(noise, self._generators, strict=True):
            each.uniform_(generator=generator)
        return x * (noise >= share) / (1 - share)


class StackedAdam:
    """Adam for stacked parameters, with a rate for each network."""

    def __init__(self, parameters: Sequence[torch.Tensor], rates: torch.Tensor) -> None:
        self._rates = rates
        self._means = [torch.zeros_like(each) for each in parameters]
        self._squares = [torch.zeros_like(each) for each in parameters]
        self._steps = 0

    def choose(self, kept: Sequence[int]) -> None:
        """Go on with some of the networks only."""
        self._rates = self._rates[kept]
        self._means = [each[kept] for each in self._means]
        self._squares = [each[kept] for each in self._squares]

    @torch.no_grad()
    def step(self, parameters: Sequence[torch.Tensor]) -> None:
        """Change the parameters by their gradients, and forget those."""
        self._steps += 1
        for parameter, mean, square in zip(parameters, self._means, self._squares, strict=True):
            assert parameter.grad is not None
            mean.lerp_(parameter.grad, 0.1)
            square.mul_(0.999).addcmul_(parameter.grad, parameter.grad, value=0.001)
            divisor = square.sqrt().div_((1 - 0.999**self._steps) ** 0.5).add_(1e-8)
            rates = self._rates.view(-1, *[1] * (parameter.ndim - 1)) / (1 - 0.9**self._steps)
            parameter.sub_(mean.div(divisor).mul_(rates))
            parameter.grad = None
