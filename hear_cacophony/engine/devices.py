"""The devices that share the work: the batch is split among them, the weights are on each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from hear_cacophony.files.host_memory import available_memory

TOKENS_PER_CPU_BATCH = 2_048
"""Enough patches for the full speed of a CPU, few enough to lose little when a run is killed."""

MAX_TOKENS_PER_DEVICE = 262_144
"""Patches beyond which no accelerator gets faster."""

BYTES_PER_TOKEN = 120_000
"""Memory that a patch takes on its way through a full-size encoder, attention included, with room to spare."""


_UNKNOWN_MEMORY = 1 << 40
"""Taken where the system does not tell: more than any clip needs."""

_SPLIT, _WHOLE = jax.sharding.PartitionSpec("batch"), jax.sharding.PartitionSpec()


class Devices:
    """Some of the local devices, as one.

    Attributes:
        mesh: the devices as jax knows them, along one axis "batch".
    """

    def __init__(self, indices: Sequence[int] | None = None) -> None:
        """Take the local devices with these indices; all of them unless given.

        Raises:
            ValueError: there is no such device, or one is named twice.
            TypeError: `indices` are no integers.
        """
        local = jax.local_devices()
        _check_integers(indices, local)
        chosen = list(range(len(local))) if indices is None else list(indices)
        if not chosen or len(set(chosen)) < len(chosen) or not all(0 <= i < len(local) for i in chosen):
            raise ValueError(
                f"expected some of the devices 0 to {len(local) - 1} of this machine, each once, got {chosen}; "
                f"jax sees {', '.join(map(str, local))}"
            )
        self._devices = [local[i] for i in chosen]
        self.mesh = jax.sharding.Mesh(np.array(self._devices), ("batch",))
        self._split = jax.sharding.NamedSharding(self.mesh, _SPLIT)
        self._whole = jax.sharding.NamedSharding(self.mesh, _WHOLE)

    def __len__(self) -> int:
        return len(self._devices)

    @property
    def platform(self) -> str:
        """ "cpu", "gpu" or "tpu"."""
        return self._devices[0].platform

    @property
    def kind(self) -> str:
        """Name of the hardware."""
        return self._devices[0].device_kind

    @property
    def tokens_per_batch(self) -> int:
        """Patches in a batch for all of these devices, by their memory."""
        if self.platform == "cpu":
            return TOKENS_PER_CPU_BATCH * len(self)
        return min(MAX_TOKENS_PER_DEVICE, max(1, self._memory_limit() // BYTES_PER_TOKEN)) * len(self)

    @property
    def memory(self) -> int:
        """Bytes for one device: those of the card, or those that the machine has available."""
        if self.platform == "cpu":
            return (available_memory() or _UNKNOWN_MEMORY) // len(self)
        return self._memory_limit()

    @property
    def peak_gibibytes(self) -> float | None:
        """The most memory that was in use on the first device so far, None where it is not counted."""
        statistics = self._devices[0].memory_stats() or {}
        return statistics["peak_bytes_in_use"] / 2**30 if "peak_bytes_in_use" in statistics else None

    @staticmethod
    def bytes_of(tokens: int) -> int:
        """Bytes that a full-size encoder takes for this many patches on one device, all told."""
        return tokens * BYTES_PER_TOKEN

    def _memory_limit(self) -> int:
        return (self._devices[0].memory_stats() or {}).get("bytes_limit", 0)

    def replicate(self, tree: Any) -> Any:
        """Put a whole copy of `tree` on each device."""
        return jax.device_put(tree, self._whole)

    def split(self, windows: np.ndarray) -> jax.Array:
        """Put an equal share of the windows on each device."""
        return jax.device_put(windows, self._split)


def as_devices(devices: Any) -> Devices:
    """`devices` themselves, or those with these indices; all local devices for None. Errors as in `Devices`."""
    return devices if isinstance(devices, Devices) else Devices(devices)


def _check_integers(indices: Any, local: Sequence[jax.Device]) -> None:
    listed = indices is None or isinstance(indices, (list, tuple, range))
    if not listed or any(isinstance(i, bool) or not isinstance(i, int) for i in indices or ()):
        raise TypeError(
            f"devices={indices!r} is not possible; expected a list of indices of local devices, such as [0], or None "
            f"for all of them; jax sees {', '.join(map(str, local))}. Set JAX_PLATFORMS=cpu, or cuda, to choose a kind"
        )


def compiled(body: Callable[..., jax.Array], *static: str) -> Callable[..., jax.Array]:
    """`body(variables, *windows, **static)` compiled; called with `mesh` too, whose devices share the windows."""

    def run(variables: Any, *windows: jax.Array, mesh: jax.sharding.Mesh, **static: Any) -> jax.Array:
        return on_each(mesh, functools.partial(body, **static), variables, *windows)

    run.__name__ = body.__name__
    return jax.jit(run, static_argnames=("mesh", *static))


def on_each(mesh: jax.sharding.Mesh, body: Callable[..., jax.Array], variables: Any, *windows: jax.Array) -> jax.Array:
    """Run `body(variables, *windows)` on each device with its share of the windows; no device waits for another.

    Left to itself, XLA would gather all audio on each device for the Fourier transform.
    """
    specs = (_WHOLE, *[_SPLIT] * len(windows))
    return jax.shard_map(body, mesh=mesh, in_specs=specs, out_specs=_SPLIT, check_vma=False)(variables, *windows)
