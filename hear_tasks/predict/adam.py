"""Adam with torch's default settings and torch's rounding, in memory that is taken once."""

from __future__ import annotations

from collections.abc import Iterable

import torch

_DECAY = 0.9
_SQUARE_DECAY = 0.999
_EPSILON = 1e-8


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
