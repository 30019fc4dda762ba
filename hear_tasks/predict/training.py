"""The training of one network, as heareval 2021.1.3 and Lightning do it: the same draws, steps and stops."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from hear_tasks.predict.evaluation import Validation, loss_of
from hear_tasks.predict.grids import Configuration
from hear_tasks.predict.network import draw_for_pass, make_network
from hear_tasks.predict.split import Split
from hear_tasks.predict.task import Task
from hear_tasks.task_folder import TaskError

if TYPE_CHECKING:
    from hear_tasks.predict.event_postprocessing import Postprocessing

_DECAY = 0.9
_SQUARE_DECAY = 0.999
_EPSILON = 1e-8
"""Those of `torch.optim.Adam`."""

_ALIGNMENT = 64
"""Bytes on which torch begins its own tensors; matrix products may round by where their input begins."""

Parameters = dict[str, torch.Tensor]
"""Parameters and buffers of a network, by name."""


@dataclasses.dataclass(frozen=True)
class Training:
    """A trained network, as it was in the epoch of its best validation.

    Attributes:
        score: of that validation; without bound where none was a number.
        epoch: its number, from 0.
        postprocessing: of events, the best one in it.
        minutes: that the training took.
        epochs: that it lasted.
        state: the network.
        ended_without_score: whether it ended since a validation was no number.
        validations: epoch and score of every validation; () where an earlier version kept it.
    """

    score: float
    epoch: int
    postprocessing: Postprocessing
    minutes: float
    epochs: int
    state: Parameters
    ended_without_score: bool
    validations: tuple[tuple[int, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class Job:
    """One training that is to be done.

    Attributes:
        name: for the progress.
        configuration: hyperparameters.
        splits: to train on; their tensors say which device does.
        valid: the split that stops it.
        validate: scores logits of that split.
    """

    name: str
    configuration: Configuration
    splits: tuple[Split, ...]
    valid: Split
    validate: Callable[[torch.Tensor], Validation]


def check_training(task: Task, configuration: Configuration, rows: int) -> None:
    """Raise TaskError where training on so many rows would fail: without a validation, or in a batch of one row."""
    if configuration["check_val_every_n_epoch"] > configuration["max_epochs"]:
        raise TaskError(
            f"{task.folder}: no validation in {configuration['max_epochs']} epochs: check_val_every_n_epoch is larger "
            "than max_epochs; see task_specific_param_grid in its metadata"
        )
    normalizes = configuration["hidden_layers"] and configuration["hidden_norm"] is torch.nn.BatchNorm1d
    if normalizes and rows % configuration["batch_size"] == 1:
        raise TaskError(
            f"{task.folder}: {rows} rows to train on leave one for the last batch of {configuration['batch_size']}, "
            "which batch normalization cannot be trained with (heareval fails, too); leave one clip out, or add one"
        )


def batches(splits: Sequence[Split], size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]:
    """Embeddings, targets and classes of the rows of some splits, one after the other, `size` at a time.

    All of them on the splits' device, wherever their embeddings lie.
    """
    total = sum(map(len, splits))
    for first in range(0, total, size):
        parts = list(_parts(splits, first, min(total, first + size)))
        embeddings = _joined([split.embeddings[rows].to(split.device) for split, rows in parts])
        targets = _joined([split.targets[rows] for split, rows in parts])
        classes = [split.classes[rows] for split, rows in parts if split.classes is not None]
        yield embeddings, targets, _joined(classes) if classes else None


def _parts(splits: Sequence[Split], start: int, stop: int) -> Iterator[tuple[Split, slice]]:
    """Where the rows from `start` to `stop` of all splits lie."""
    first = 0
    for split in splits:
        low, high = max(start, first), min(stop, first + len(split))
        if low < high:
            yield split, slice(low - first, high - first)
        first += len(split)


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    if len(parts) > 1:
        return torch.cat(list(parts))
    return parts[0] if parts[0].data_ptr() % _ALIGNMENT == 0 else parts[0].clone()


def predict_logits(network: torch.nn.Module, split: Split, batch_size: int) -> torch.Tensor:
    """Logits (rows, labels) of a network that is not being trained."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(embeddings) for embeddings, _, _ in batches([split], batch_size)])


def train(task: Task, job: Job) -> Training:
    """Train a new network until it has stopped improving."""
    configuration, valid = job.configuration, job.valid
    start = time.monotonic()
    network = make_network(task.size, task.n_labels, configuration).to(valid.device)
    optimizer = make_adam(network.parameters(), configuration["lr"])
    best = Best(task.maximizes, configuration["patience"])
    epochs = 0
    while epochs < configuration["max_epochs"] and not best.stops:
        draw_for_pass()
        _train_epoch(network, optimizer, job.splits, configuration["batch_size"])
        if (epochs + 1) % configuration["check_val_every_n_epoch"] == 0:
            draw_for_pass()
            validation = job.validate(predict_logits(network, valid, configuration["batch_size"]))
            best.take(epochs, validation, lambda: {name: each.clone() for name, each in network.state_dict().items()})
        epochs += 1
    return best.training((time.monotonic() - start) / 60, epochs)


def _train_epoch(
    network: torch.nn.Module,
    optimizer: Adam | torch.optim.Adam,
    splits: Sequence[Split],
    batch_size: int,
) -> None:
    network.train()
    for embeddings, targets, classes in batches(splits, batch_size):
        optimizer.zero_grad()
        loss_of(network(embeddings), targets, classes).backward()
        optimizer.step()


class Best:
    """Keeps the network of the best validation, and says when to stop training it.

    Lightning decides both apart: what is no number is never better than what there is, but kept as the first one;
    what is not finite ends the training.

    Attributes:
        stops: whether training is to end.
    """

    def __init__(self, maximizes: bool, patience: int) -> None:
        self._patience = patience
        self._is_better, self._worst = (torch.gt, -math.inf) if maximizes else (torch.lt, math.inf)
        self._score = self._stopping_score = torch.tensor(self._worst)
        self._waited = 0
        self._validation: Validation | None = None
        self._epoch = -1
        self._state: Parameters = {}
        self._without_score = False
        self._validations: list[tuple[int, float]] = []
        self.stops = False

    def take(self, epoch: int, validation: Validation, state: Callable[[], Parameters]) -> None:
        """The network was validated after this epoch; `state` gives a copy of it."""
        value = validation.value.cpu()
        self._validations.append((epoch, value.item()))
        if self._validation is None or self._is_better(value, self._score):
            self._validation, self._epoch = validation, epoch
            self._score = torch.tensor(self._worst) if torch.isnan(value) else value
            self._state = state()
        self._decide(value)

    def training(self, minutes: float, epochs: int) -> Training:
        """What has become of the training of that network, which took so long."""
        assert self._validation is not None, "see check_training"
        return Training(
            score=self._score.item(),
            epoch=self._epoch,
            postprocessing=self._validation.postprocessing,
            minutes=minutes,
            epochs=epochs,
            state=self._state,
            ended_without_score=self._without_score,
            validations=tuple(self._validations),
        )

    def _decide(self, value: torch.Tensor) -> None:
        if not torch.isfinite(value):
            self.stops = True
            self._without_score = bool(torch.isnan(value))
        elif self._is_better(value, self._stopping_score):
            self._stopping_score, self._waited = value, 0
        else:
            self._waited += 1
            self.stops = self._waited >= self._patience


def make_adam(parameters: Iterable[torch.nn.Parameter], rate: float) -> Adam | torch.optim.Adam:
    """What trains as heareval's optimizer does; on a GPU torch's own, which needs few launches."""
    listed = list(parameters)
    make = Adam if listed[0].device.type == "cpu" else torch.optim.Adam
    return make(listed, rate)


class Adam:
    """As `torch.optim.Adam(parameters, lr)`, without its checks, its temporary tensors and what it imports."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], rate: float) -> None:
        self._parameters = list(parameters)
        self._rate = rate
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]
        longest = max(self._parameters, key=torch.numel)
        self._buffer = torch.empty(longest.numel(), dtype=longest.dtype, device=longest.device)
        self._steps = 0

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by their gradients."""
        self._steps += 1
        rate = self._rate / (1 - _DECAY**self._steps)
        correction = (1 - _SQUARE_DECAY**self._steps) ** 0.5
        for parameter, mean, square in zip(self._parameters, self._means, self._squares, strict=True):
            gradient = parameter.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - _DECAY)
            square.mul_(_SQUARE_DECAY).addcmul_(gradient, gradient, value=1 - _SQUARE_DECAY)
            divisor = self._buffer[: square.numel()].view_as(square)
            torch.sqrt(square, out=divisor).div_(correction).add_(_EPSILON)
            parameter.addcdiv_(mean, divisor, value=-rate)
