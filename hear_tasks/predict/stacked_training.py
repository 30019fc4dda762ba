"""Trainings side by side as one batched computation, each with a seed of its own: `--seeds independent`.

The scores are not heareval's, whose trainings draw from one generator one after the other, but of the same kind.
"""

from __future__ import annotations

import functools
import json
import math
import time
import zlib
from collections.abc import Sequence

import torch

from hear_tasks.predict.grids import SEED, identify
from hear_tasks.predict.network import make_network
from hear_tasks.predict.task import Task
from hear_tasks.predict.training import Best, Job, Parameters, Training, batches

_MOMENTUM = 0.1
_EPSILON = 1e-5
"""Those of `torch.nn.BatchNorm1d`."""


class StackedNetwork:
    """Networks with the same layers, each with a seed of its own.

    Activations have the shape (networks, width, rows), so that the first product is a single one where the networks
    share their input.

    Attributes:
        state: stacked parameters and buffers, (networks, ...) each.
        parameters: those of the state that are trained.
    """

    def __init__(self, task: Task, jobs: Sequence[Job]) -> None:
        self._configuration, device = jobs[0].configuration, jobs[0].valid.device
        states = []
        for job in jobs:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_of(job))
                network = make_network(task.size, task.n_labels, job.configuration)
            states.append({name: tensor.detach() for name, tensor in network.state_dict().items()})
            trained = [name for name, _ in network.named_parameters()]
        self.state: Parameters = {name: torch.stack([each[name] for each in states]).to(device) for name in states[0]}
        self._trained = trained
        self._generators = [torch.Generator(device).manual_seed(seed_of(job)) for job in jobs]
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


_OWN = ("lr", "initialization", "patience")
"""Hyperparameters in which networks of one stack may differ."""


def form_of(job: Job) -> str:
    """The same for jobs that can be in one stack."""
    common = {name: value for name, value in job.configuration.items() if name not in _OWN}
    steps = math.ceil(sum(map(len, job.splits)) / job.configuration["batch_size"])
    return identify({**common, "steps": steps})


def seed_of(job: Job) -> int:
    """Its own, made of what is trained on what."""
    return zlib.crc32(json.dumps([SEED, identify(job.configuration), _names(job)]).encode())


def _names(job: Job) -> list[str]:
    return [split.name for split in job.splits]


class Stack:
    """The training of networks of one form together, each until it has stopped improving."""

    def __init__(self, task: Task, jobs: Sequence[Job]) -> None:
        self._start = time.monotonic()
        self._jobs = jobs
        self._common = jobs[0].configuration
        self._running = list(range(len(jobs)))
        self._network = StackedNetwork(task, jobs)
        rates = torch.tensor([job.configuration["lr"] for job in jobs], device=jobs[0].valid.device)
        self._optimizer = StackedAdam(self._network.parameters, rates)
        self._best = [Best(task.maximizes, job.configuration["patience"]) for job in jobs]
        self._minutes = [0.0] * len(jobs)
        self._epochs = [0] * len(jobs)

    def train(self) -> list[Training]:
        """What becomes of the jobs, in their order."""
        epoch = 0
        while epoch < self._common["max_epochs"] and self._running:
            self._train_epoch()
            if (epoch + 1) % self._common["check_val_every_n_epoch"] == 0:
                self._validate(epoch)
            epoch += 1
            for job in self._running:
                self._epochs[job], self._minutes[job] = epoch, (time.monotonic() - self._start) / 60
            self._drop_stopped()
        outcomes = zip(self._best, self._minutes, self._epochs, strict=True)
        return [best.training(minutes, epochs) for best, minutes, epochs in outcomes]

    def _train_epoch(self) -> None:
        jobs = [self._jobs[number] for number in self._running]
        size = self._common["batch_size"]
        if all(_names(job) == _names(jobs[0]) for job in jobs):
            for x, y, classes in batches(jobs[0].splits, size):
                target = y.T if classes is None else classes
                self._step(x.T, target.unsqueeze(0), torch.ones(1, 1, len(x), device=x.device))
            return
        for parts in zip(*(batches(job.splits, size) for job in jobs), strict=True):
            self._step(*_filled_up(parts))

    def _step(self, inputs: torch.Tensor, targets: torch.Tensor, rows: torch.Tensor) -> None:
        logits = self._network.logits(inputs, rows)
        count = rows.sum(dim=-1).squeeze(-1)
        if targets.is_floating_point():
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, targets.expand_as(logits), reduction="none"
            ).mean(dim=1)
        else:
            losses = torch.nn.functional.cross_entropy(logits, targets.expand(len(logits), -1), reduction="none")
        # The sum over networks, so that each has the gradient of its own mean.
        ((losses * rows.squeeze(1)).sum(dim=-1) / count).sum().backward()
        self._optimizer.step(self._network.parameters)

    @torch.no_grad()
    def _validate(self, epoch: int) -> None:
        by_split: dict[str, torch.Tensor] = {}
        for place, number in enumerate(self._running):
            job = self._jobs[number]
            if job.valid.name not in by_split:
                size = self._common["batch_size"]
                parts = [self._network.logits(x.T, None) for x, _, _ in batches([job.valid], size)]
                by_split[job.valid.name] = torch.cat(parts, dim=-1)
            logits = by_split[job.valid.name][place].T.contiguous()
            self._best[number].take(epoch, job.validate(logits), functools.partial(self._network.one, place))

    def _drop_stopped(self) -> None:
        kept = [place for place, number in enumerate(self._running) if not self._best[number].stops]
        if len(kept) == len(self._running):
            return
        self._running = [self._running[place] for place in kept]
        if kept:
            self._network.choose(kept)
            self._optimizer.choose(kept)


def _filled_up(parts: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]) -> tuple[torch.Tensor, ...]:
    """Inputs, targets and counting rows of batches of different networks, filled up to the longest."""
    longest = max(len(x) for x, _, _ in parts)
    first, labels, classes = parts[0]
    inputs = first.new_zeros(len(parts), first.shape[1], longest)
    rows = first.new_zeros(len(parts), 1, longest)
    shape = (longest,) if classes is not None else (labels.shape[1], longest)
    targets = (labels if classes is None else classes).new_zeros(len(parts), *shape)
    for number, (x, y, numbers) in enumerate(parts):
        inputs[number, :, : len(x)], rows[number, :, : len(x)] = x.T, 1
        targets[number, ..., : len(x)] = y.T if numbers is None else numbers
    return inputs, targets, rows
