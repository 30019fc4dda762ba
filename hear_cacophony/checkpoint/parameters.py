"""Every name and shape of the published parameter tree, and its way into our modules.

The checkpoints hold each transformer layer under a name of its own
(`AudioEncoderLayer_0`, `AudioEncoderLayer_1`, ...). Our encoder scans one layer over
stacked parameters and computes query, key and value in one product. This module is
the only place that knows both forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hear_cacophony.model.stages import PATCH_SIZE, PATCHES_PER_STEP, EncoderConfig, Stage

LAYER = "AudioEncoderLayer_{}"
ATTENTION = "MultiHeadDotProductAttention_0"

Shapes = dict[str, tuple[int, ...]]


def layer_shapes(config: EncoderConfig) -> Shapes:
    """Shapes of one transformer layer, by the path below the layer's name."""
    hidden, heads, mlp = config.hidden_size, config.num_heads, config.mlp_size
    head = hidden // heads
    shapes: Shapes = {
        "LayerNorm_0/scale": (hidden,),
        "LayerNorm_0/bias": (hidden,),
        "LayerNorm_1/scale": (hidden,),
        "LayerNorm_1/bias": (hidden,),
        "MLP_0/Dense_0/kernel": (hidden, mlp),
        "MLP_0/Dense_0/bias": (mlp,),
        "MLP_0/Dense_1/kernel": (mlp, hidden),
        "MLP_0/Dense_1/bias": (hidden,),
        f"{ATTENTION}/out/kernel": (heads, head, hidden),
        f"{ATTENTION}/out/bias": (hidden,),
    }
    for name in ("query", "key", "value"):
        shapes[f"{ATTENTION}/{name}/kernel"] = (hidden, heads, head)
        shapes[f"{ATTENTION}/{name}/bias"] = (heads, head)
    return shapes


def expected_shapes(stage: Stage, config: EncoderConfig) -> Shapes:
    """Shapes of the audio side's parameters in a checkpoint of `stage`, by their full path.

    A path is the names below `['0']['params']`, joined by slashes.
    """
    hidden = config.hidden_size
    encoder: Shapes = {
        "Dense_0/kernel": (PATCH_SIZE, hidden),
        "Dense_0/bias": (hidden,),
        "freq_positional_embedding": (PATCHES_PER_STEP, hidden),
        "LayerNorm_0/scale": (hidden,),
        "LayerNorm_0/bias": (hidden,),
    }
    for i in range(config.num_layers):
        encoder |= {f"{LAYER.format(i)}/{path}": shape for path, shape in layer_shapes(config).items()}
    shapes = {f"{stage.encoder_path}/{path}": shape for path, shape in encoder.items()}
    if stage.pool_path is not None:
        shapes |= {
            f"{stage.pool_path}/query": (hidden,),
            f"{stage.pool_path}/Dense_0/kernel": (hidden, 2 * hidden),
            f"{stage.pool_path}/Dense_0/bias": (2 * hidden,),
            f"{stage.pool_path}/Dense_1/kernel": (hidden, hidden),
            f"{stage.pool_path}/Dense_1/bias": (hidden,),
        }
    return shapes


def to_variables(stage: Stage, config: EncoderConfig, parameters: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrange checkpoint parameters for our modules.

    Args:
        parameters: arrays by full checkpoint path, the keys and shapes of `expected_shapes`.

    Returns:
        {"encoder": variables of `AudioEncoder`} and, in stage 2,
        {"pooler": variables of `AttentionPooler`}; float32.
    """
    encoder = _below(parameters, stage.encoder_path)
    variables = {"encoder": _encoder_tree(config, encoder)}
    if stage.pool_path is not None:
        pool = _below(parameters, stage.pool_path)
        variables["pooler"] = {
            "query": pool["query"],
            "key_value": _dense(pool, "Dense_0"),
            "projection": _dense(pool, "Dense_1"),
        }
    return variables


def _encoder_tree(config: EncoderConfig, encoder: Mapping[str, np.ndarray]) -> dict[str, Any]:
    hidden = config.hidden_size

    def stack(path: str, *shape: int) -> np.ndarray:
        """One parameter of all layers, along a new first axis."""
        layers = [encoder[f"{LAYER.format(i)}/{path}"] for i in range(config.num_layers)]
        return np.stack(layers).reshape(config.num_layers, *shape)

    def join(leaf: str, *shape: int) -> np.ndarray:
        """Query, key and value of all layers, side by side along the last axis."""
        return np.concatenate([stack(f"{ATTENTION}/{name}/{leaf}", *shape) for name in ("query", "key", "value")], -1)

    return {
        "patch_projection": _dense(encoder, "Dense_0"),
        "frequency_embedding": encoder["freq_positional_embedding"],
        "final_norm": {"scale": encoder["LayerNorm_0/scale"], "bias": encoder["LayerNorm_0/bias"]},
        "layers": {
            "attention_norm": {leaf: stack(f"LayerNorm_0/{leaf}", hidden) for leaf in ("scale", "bias")},
            "attention": {
                "qkv": {"kernel": join("kernel", hidden, hidden), "bias": join("bias", hidden)},
                "out": {
                    "kernel": stack(f"{ATTENTION}/out/kernel", hidden, hidden),
                    "bias": stack(f"{ATTENTION}/out/bias", hidden),
                },
            },
            "mlp_norm": {leaf: stack(f"LayerNorm_1/{leaf}", hidden) for leaf in ("scale", "bias")},
            "mlp_in": {
                "kernel": stack("MLP_0/Dense_0/kernel", hidden, config.mlp_size),
                "bias": stack("MLP_0/Dense_0/bias", config.mlp_size),
            },
            "mlp_out": {
                "kernel": stack("MLP_0/Dense_1/kernel", config.mlp_size, hidden),
                "bias": stack("MLP_0/Dense_1/bias", hidden),
            },
        },
    }


def _below(parameters: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {path.removeprefix(f"{prefix}/"): x for path, x in parameters.items() if path.startswith(f"{prefix}/")}


def _dense(parameters: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {"kernel": parameters[f"{name}/kernel"], "bias": parameters[f"{name}/bias"]}
