"""Floating point operations of the encoders, by a stated formula.

A product of an m x k by a k x n matrix counts 2 m n k. Counted are the matrix products of the transformer: for a window
of t patches, hidden size h, MLP size f, and 256 values in a patch

    patch projection                  2 t 256 h
    in each layer
        query, key, value             2 t h 3h
        attention logits              2 t t h
        weighted sum of the values    2 t t h
        output                        2 t h h
        MLP                           2 (2 t h f)
    in stage 2, the pooler
        key and value                 2 t h 2h
        logits and weighted sum       2 (2 t h)
        projection                    2 h h

Not counted, though it takes time: the frontend with its Fourier transforms and mel bands, norms, softmax,
activations, and the addition of biases.
"""

from __future__ import annotations

from hear_cacophony.model.stages import PATCH_SIZE, EncoderConfig, Stage

FORMULA = "2 m n k for each matrix product of the transformer and its pooler; the frontend, norms, softmax not counted"


def product_flops(m: int, n: int, k: int) -> int:
    """Operations of the product of an m x k by a k x n matrix."""
    return 2 * m * n * k


def window_flops(stage: Stage, config: EncoderConfig, patches: int) -> int:
    """Operations of the products in the encoder of `stage` for a window of `patches`; padding counts like the rest."""
    hidden = config.hidden_size
    projection = product_flops(patches, hidden, PATCH_SIZE)
    layers = config.num_layers * _layer_flops(config, patches)
    return projection + layers + (0 if stage.pool_path is None else _pooler_flops(hidden, patches))


def _layer_flops(config: EncoderConfig, patches: int) -> int:
    hidden = config.hidden_size
    joined = product_flops(patches, 3 * hidden, hidden)
    attention = 2 * product_flops(patches, patches, hidden)
    output = product_flops(patches, hidden, hidden)
    return joined + attention + output + 2 * product_flops(patches, config.mlp_size, hidden)


def _pooler_flops(hidden: int, patches: int) -> int:
    key_value = product_flops(patches, 2 * hidden, hidden)
    return key_value + 2 * product_flops(1, patches, hidden) + product_flops(1, hidden, hidden)
