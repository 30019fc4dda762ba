"""Small checkpoint files in the published format, and ways to spoil them."""

from __future__ import annotations

import pathlib

import numpy as np
from flax import serialization
from flax.traverse_util import unflatten_dict

from hear_cacophony.checkpoint.parameters import expected_shapes
from hear_cacophony.model.stages import TINY, Stage

OTHERS = {1: "AudioDecoder_0/Dense_0/kernel", 2: "text_module/pooler/key_proj/kernel"}
"""A parameter of each stage that is never loaded."""


def tiny_parameters(stage: Stage) -> dict[str, np.ndarray]:
    """Parameters of a tiny model by full path."""
    random = np.random.default_rng(stage.number)
    return {
        path: random.standard_normal(shape).astype(np.float32) for path, shape in expected_shapes(stage, TINY).items()
    }


def write_flax(path: pathlib.Path, parameters: dict[str, np.ndarray], stage: Stage) -> pathlib.Path:
    """Write parameters as a training run leaves them: beside other towers and optimizer state."""
    tree = unflatten_dict({**parameters, OTHERS[stage.number]: np.ones((7, 5), np.float32)}, sep="/")
    state = {
        "0": {
            "step": 1000,
            "opt_state": {"0": {"mu": tree, "nu": {"count": np.int32(3)}, "empty": None}},
            "params": tree,
        },
        "1": {"loss": np.float64(0.5), "name": "run", "history": [1, -2, 3.5, True]},
    }
    path.write_bytes(serialization.msgpack_serialize(state))
    return path
