"""Sizes of the models that are trained, by name."""

from __future__ import annotations

import dataclasses

from hear_cacophony.model.stages import TINY, TINY_TEXT, EncoderConfig, TextConfig

TEXT_HEADS = TextConfig().num_heads
"""Heads of the text towers wherever they divide the width: the shapes in a checkpoint do not tell their number."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of all towers: `encoder` of both stages, `decoder` of stage 1, `text` of stage 2."""

    encoder: EncoderConfig
    decoder: EncoderConfig
    text: TextConfig


SIZES = {
    "tiny": Sizes(TINY, TINY, TINY_TEXT),
    "small": Sizes(
        encoder=EncoderConfig(hidden_size=192, num_layers=6, num_heads=3, mlp_size=768),
        decoder=EncoderConfig(hidden_size=192, num_layers=2, num_heads=3, mlp_size=768),
        text=TextConfig(hidden_size=192, num_layers=4, decoder_layers=2, num_heads=TEXT_HEADS, mlp_size=768),
    ),
    "base": Sizes(EncoderConfig(), EncoderConfig(), TextConfig()),
}
"""base is the published one."""


def change_sizes(
    sizes: Sizes,
    *,
    width: int | None = None,
    layers: int | None = None,
    heads: int | None = None,
    decoder_layers: int | None = None,
    text_layers: int | None = None,
) -> Sizes:
    """Other sizes than those of a name; what is None stays.

    Args:
        sizes: those to begin with.
        width: hidden size of all towers; their MLPs are four times as wide.
        layers: of the audio encoder.
        heads: of the audio encoder and stage 1's decoder.
        decoder_layers: of stage 1's decoder and of the caption decoder.
        text_layers: of the text encoder.

    Raises:
        ValueError: a size below 1, or a width that the heads do not divide.
    """
    given = {"width": width, "layers": layers, "heads": heads, "decoder-layers": decoder_layers}
    for name, size in {**given, "text-layers": text_layers}.items():
        if size is not None and size < 1:
            raise ValueError(f"--{name} {size}: expected at least 1")
    hidden = width or sizes.encoder.hidden_size
    number = heads or sizes.encoder.num_heads
    pool_heads = sizes.encoder.pool_heads
    if hidden % number or hidden % pool_heads:
        raise ValueError(
            f"a width of {hidden} is not possible; expected a multiple of the {number} heads, and of the {pool_heads} "
            "that pool"
        )
    mlp = 4 * hidden if width else sizes.encoder.mlp_size
    encoder = EncoderConfig(hidden, layers or sizes.encoder.num_layers, number, mlp)
    decoder = EncoderConfig(hidden, decoder_layers or sizes.decoder.num_layers, number, mlp)
    text = dataclasses.replace(
        sizes.text,
        hidden_size=hidden,
        num_layers=text_layers or sizes.text.num_layers,
        decoder_layers=decoder_layers or sizes.text.decoder_layers,
        num_heads=TEXT_HEADS if hidden % TEXT_HEADS == 0 else number,
        mlp_size=mlp,
    )
    return Sizes(encoder, decoder, text)
