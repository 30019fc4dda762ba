"""The options of `load_model`, checked once, before any work."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

PROTOCOLS = ("hear", "published")
PRECISIONS = ("float32", "bfloat16")
TIMESTAMP_HOPS_MS = (10, 20, 40, 80, 160)
"""Hops that divide the 160 ms of a patch and are whole 10 ms frames."""

DEFAULT_TIMESTAMP_HOP_MS = 40
PATCH_MS = 160
DEFAULT_WINDOW_SECONDS = 30.0
WINDOW_SECONDS_RANGE = (8.0, 600.0)
"""Shorter windows would be mostly context; over longer ones attention costs more than all else."""

DEFAULT_WINDOW_OVERLAP_SECONDS = 3.84
LARGEST_OVERLAP = 0.8
"""Of a window: then each moment goes through the encoder five times."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How clips become embeddings.

    Attributes:
        protocol: "hear" (the default) or "published", the published evaluation's way.
        timestamp_hop_ms: milliseconds between timestamp embeddings: 10, 20, 40, 80 or 160.
            40 unless given; the published protocol knows only 160.
        max_seconds: published protocol only: clips are padded to the patches of this many
            seconds. A clip's own length unless given.
        window_seconds: clips longer than this are cut into windows, from 8 to 600 s. 30 unless
            given; the published protocol has none.
        window_overlap_seconds: neighbouring windows overlap by at least this much, from 0 to 0.8 of a
            window; half of it is context on each side, whose embeddings are dropped. 3.84 unless
            given. Windows of a length overlap more where the clip's length asks for it.
        precision: "float32" (the default) or "bfloat16": matrix products in bfloat16, with their
            sums, softmax and norms in float32.
    """

    protocol: str = "hear"
    timestamp_hop_ms: int | None = None
    max_seconds: float | None = None
    window_seconds: float | None = None
    window_overlap_seconds: float | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"unknown protocol {self.protocol!r}; expected one of {_listed(PROTOCOLS)}")
        object.__setattr__(self, "timestamp_hop_ms", self._checked_hop())
        self._check_max_seconds()
        self._check_window_seconds()
        self._check_window_overlap()
        if self.precision not in PRECISIONS:
            raise ValueError(f"unknown precision {self.precision!r}; expected one of {_listed(PRECISIONS)}")

    @property
    def window_steps(self) -> int:
        """Time steps of 160 ms in the longest window."""
        return int(self._window_seconds * 1000) // PATCH_MS

    @property
    def context_steps(self) -> int:
        """Least time steps of context on each side of what is kept of a window: half of the overlap, rounded up."""
        overlap = self.window_overlap_seconds
        seconds = DEFAULT_WINDOW_OVERLAP_SECONDS if overlap is None else overlap
        return math.ceil(round(seconds * 1000) / (2 * PATCH_MS))

    @property
    def _window_seconds(self) -> float:
        return DEFAULT_WINDOW_SECONDS if self.window_seconds is None else self.window_seconds

    @property
    def hop_ms(self) -> int:
        """Milliseconds from one timestamp embedding to the next."""
        assert self.timestamp_hop_ms is not None
        return self.timestamp_hop_ms

    def _checked_hop(self) -> int:
        hop, published = self.timestamp_hop_ms, self.protocol == "published"
        if hop is None:
            return PATCH_MS if published else DEFAULT_TIMESTAMP_HOP_MS
        if isinstance(hop, bool) or hop not in TIMESTAMP_HOPS_MS:
            raise ValueError(
                f"timestamp_hop_ms={hop!r} is not possible; expected one of {_listed(TIMESTAMP_HOPS_MS)}: "
                "shifted passes need a divisor of the 160 ms of a patch that is a whole number of 10 ms frames"
            )
        if published and hop != PATCH_MS:
            raise ValueError(
                f"timestamp_hop_ms={hop!r} does not go with protocol='published', which has one embedding "
                "per 160 ms; leave it out, or use protocol='hear'"
            )
        return int(hop)

    def _check_max_seconds(self) -> None:
        seconds = self.max_seconds
        if seconds is None:
            return
        _check_number("max_seconds", seconds)
        if not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"max_seconds={seconds!r} is not possible; expected a positive number of seconds")
        if self.protocol != "published":
            raise ValueError(
                f"max_seconds={seconds!r} goes with protocol='published' only: protocol={self.protocol!r} "
                "never lets padding change an embedding"
            )

    def _check_window_seconds(self) -> None:
        seconds = self.window_seconds
        if seconds is None:
            return
        self._check_cuts("window_seconds", seconds)
        low, high = WINDOW_SECONDS_RANGE
        if not low <= seconds <= high:
            raise ValueError(f"window_seconds={seconds!r} is not possible; expected {low:g} to {high:g}")

    def _check_window_overlap(self) -> None:
        seconds = self.window_overlap_seconds
        if seconds is None:
            return
        self._check_cuts("window_overlap_seconds", seconds)
        largest = LARGEST_OVERLAP * self._window_seconds
        if not 0 <= seconds <= largest:
            raise ValueError(
                f"window_overlap_seconds={seconds!r} is not possible; expected 0 to {largest:g}, "
                f"{LARGEST_OVERLAP:g} of a window of {self._window_seconds:g} s"
            )

    def _check_cuts(self, name: str, seconds: float) -> None:
        """Check that an option of cutting clips is a number, and that clips are cut."""
        _check_number(name, seconds)
        if self.protocol != "hear":
            raise ValueError(
                f"{name}={seconds!r} does not go with protocol={self.protocol!r}, which takes clips whole; "
                "leave it out, or use protocol='hear'"
            )


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name}={value!r} is not a number; expected seconds, such as 30 or 1.5")


def parse_options(given: dict[str, Any]) -> Options:
    """Options from keyword arguments.

    Raises:
        TypeError: an unknown option; the message lists the valid ones.
        ValueError: an impossible value; the message lists the possible ones.
    """
    valid = [field.name for field in dataclasses.fields(Options)]
    unknown = [name for name in given if name not in valid]
    if unknown:
        raise TypeError(f"unknown option {_listed(unknown)}; valid options are {_listed(valid)}")
    return Options(**given)


def _listed(values) -> str:
    return ", ".join(repr(value) for value in values)
