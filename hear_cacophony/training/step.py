"""The compiled step: gradients of a batch over all devices of all processes, and an update of the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hear_cacophony.training.batches import Batch
from hear_cacophony.training.objectives import Objective
from hear_cacophony.training.options import TrainOptions

MOST_LOGIT_SCALE = math.log(100)
"""Where the learned temperature is clipped (Radford et al., 2021)."""

FIRST_MOMENT, SECOND_MOMENT = 0.9, 0.95
"""Decay of AdamW's moments (Huang et al., 2022)."""

LAST_LEARNING_RATE = 0.005
"""At the end of the cosine, as a share of the highest (Huang et al., 2022: 1e-6 of 2e-4)."""

AXIS = "batch"


class State(NamedTuple):
    """What a run is at some step: parameters by path, optax's state, and how many steps were made."""

    parameters: dict[str, jax.Array]
    optimizer: Any
    step: jax.Array


class StepMetrics(NamedTuple):
    """What a step tells, each of shape (): the loss, the gradient's norm before clipping, how many are to stop."""

    loss: jax.Array
    gradient_norm: jax.Array
    stopping: jax.Array


class Mesh:
    """All devices of all processes, along one axis: batches are split among them, the state is on each."""

    def __init__(self) -> None:
        by_process = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
        self.devices = jax.sharding.Mesh(np.array(by_process), (AXIS,))
        self._rows = jax.sharding.NamedSharding(self.devices, jax.sharding.PartitionSpec(AXIS))
        self.whole = jax.sharding.NamedSharding(self.devices, jax.sharding.PartitionSpec())

    def __len__(self) -> int:
        return self.devices.size

    def split(self, rows: Any) -> Any:
        """Arrays of the rows of this process as arrays of those of all."""
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(self._rows, x), rows)

    def replicate(self, tree: Any) -> Any:
        """Arrays that are the same in all processes, on each device."""
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(self.whole, np.asarray(x), x.shape), tree)


def learning_rate(options: TrainOptions) -> optax.Schedule:
    """Rises over the warm-up and falls to the end along half a cosine; as a function of the step."""
    highest = options.learning_rate
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=highest / max(1, options.warmup),
        peak_value=highest,
        warmup_steps=options.warmup,
        decay_steps=options.steps,
        end_value=LAST_LEARNING_RATE * highest,
    )
    return _promoting(schedule)


def make_optimizer(options: TrainOptions) -> optax.GradientTransformation:
    """AdamW behind a limit on the gradient's norm; kernels alone decay."""
    optimizer = optax.chain(
        optax.stateless(lambda gradients, _: limit_norm(gradients, options.clip)),
        optax.adamw(
            learning_rate(options),
            b1=FIRST_MOMENT,
            b2=SECOND_MOMENT,
            weight_decay=options.weight_decay,
            mask=lambda parameters: {path: path.endswith("/kernel") for path in parameters},
        ),
    )
    return optax.GradientTransformation(_promoting(optimizer.init), _promoting(optimizer.update))


def limit_norm(gradients: Any, most: float) -> Any:
    """As `optax.clip_by_global_norm`, by one factor: XLA would write quotients to memory, and read them twice."""
    factor = most / jnp.maximum(optax.tree.norm(gradients), most)
    return jax.tree.map(lambda gradient: factor * gradient, gradients)


def _promoting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with jax's usual promotion of dtypes, which optax counts on, whatever is set elsewhere."""

    def promoting(*args: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return function(*args)

    return promoting


def first_state(parameters: Mapping[str, np.ndarray], options: TrainOptions, mesh: Mesh) -> State:
    """The state before the first step."""
    placed = mesh.replicate({path: np.asarray(array, np.float32) for path, array in parameters.items()})
    optimizer = jax.jit(make_optimizer(options).init, out_shardings=mesh.whole)(placed)
    return State(placed, optimizer, mesh.replicate(np.zeros((), np.int32)))


def make_step(
    objective: Objective, options: TrainOptions, mesh: Mesh
) -> Callable[[State, Batch, jax.Array], tuple[State, StepMetrics]]:
    """The step: from a state, a batch, and an array with True for each device whose process is to stop."""
    optimizer = make_optimizer(options)

    def step(state: State, batch: Batch, stopping: jax.Array) -> tuple[State, StepMetrics]:
        key = jax.random.fold_in(jax.random.key(options.seed), state.step)
        # Without a barrier XLA computes parts of the gradients anew for each use: their norm, and both moments.
        loss, gradients = jax.lax.optimization_barrier(
            _accumulated(objective, options.accumulate, state.parameters, batch, key)
        )
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.parameters)
        parameters = _clip_temperature(optax.apply_updates(state.parameters, updates))
        metrics = StepMetrics(loss, optax.tree.norm(gradients), jnp.sum(stopping, dtype=jnp.int32))
        return State(parameters, optimizer_state, state.step + 1), metrics

    return jax.jit(step, donate_argnums=0, out_shardings=mesh.whole)


def _accumulated(
    objective: Objective, parts: int, parameters: dict[str, jax.Array], batch: Batch, key: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Loss and gradients of a batch, part by part. Every device has its share of each part."""
    gradient = jax.value_and_grad(objective.loss)
    if parts == 1:
        return gradient(parameters, batch, key)
    split = jax.tree.map(lambda x: jnp.moveaxis(x.reshape(-1, parts, *x.shape[1:]), 1, 0), batch)
    keys = jax.random.split(key, parts)
    targets = jnp.sum(jax.vmap(objective.targets)(split), axis=1).astype(jnp.float32)
    weights = targets / jnp.maximum(jnp.mean(targets), 1 / parts)

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, gradient(parameters, *part)), None

    zero = (jnp.zeros((), jnp.float32), jax.tree.map(jnp.zeros_like, parameters))
    total, _ = jax.lax.scan(add, zero, (split, keys, weights))
    return jax.tree.map(lambda x: x / parts, total)


def _clip_temperature(parameters: dict[str, jax.Array]) -> dict[str, jax.Array]:
    scale = parameters.get("logit_scale")
    return parameters if scale is None else {**parameters, "logit_scale": jnp.minimum(scale, MOST_LOGIT_SCALE)}
