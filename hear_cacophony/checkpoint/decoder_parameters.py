"""Names and shapes of stage 1's decoder in the published parameter tree, and its way into our module.

The decoder is the encoder's like, with a patch to restore, and a last layer. Inference never reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hear_cacophony.checkpoint.parameters import Shapes, below, dense, encoder_tree, expected_shapes
from hear_cacophony.model.stages import AUDIOMAE, PATCH_SIZE, EncoderConfig

DECODER = "AudioDecoder_0"


def expected_decoder_shapes(encoder_size: int, config: EncoderConfig) -> Shapes:
    """Shapes of the decoder's parameters in a checkpoint of stage 1, by their full path.

    Args:
        encoder_size: hidden size of the encoder.
        config: sizes of the decoder.
    """
    hidden, encoder = config.hidden_size, AUDIOMAE.encoder_path
    shapes = {path.replace(encoder, DECODER, 1): shape for path, shape in expected_shapes(AUDIOMAE, config).items()}
    return {
        **shapes,
        f"{DECODER}/Dense_0/kernel": (encoder_size, hidden),
        f"{DECODER}/Dense_1/kernel": (hidden, PATCH_SIZE),
        f"{DECODER}/Dense_1/bias": (PATCH_SIZE,),
        f"{DECODER}/restore_patch": (hidden,),
    }


def to_decoder_variables(config: EncoderConfig, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange checkpoint parameters as variables of `PatchDecoder`.

    Args:
        config: sizes of the decoder.
        parameters: arrays by full checkpoint path, the keys and shapes of `expected_decoder_shapes` among them.
    """
    decoder = below(parameters, DECODER)
    variables = encoder_tree(config, decoder)
    variables["projection"] = variables.pop("patch_projection")
    return {**variables, "restore_patch": decoder["restore_patch"], "patch": dense(decoder, "Dense_1")}
