"""The two published encoders, one row each, and the sizes that a checkpoint gives them."""

from __future__ import annotations

import dataclasses

PATCH_SIZE = 16 * 16
"""Log-mel values in one patch: 16 frames of 16 mel bands."""

PATCHES_PER_STEP = 8
"""Patches that share one time step: 128 mel bands in groups of 16."""


@dataclasses.dataclass(frozen=True)
class Release:
    """A published checkpoint file: its name and the MD5 of its bytes."""

    file_name: str
    md5: str


@dataclasses.dataclass(frozen=True)
class Stage:
    """One of the two training stages of Cacophony.

    `encoder_path` and `pool_path` are the names of the parameter subtrees in the
    published checkpoints; stage 1 has no attention pooler. `text_paths` are those of the text
    side, which stage 2 alone has: encoder, projection, caption decoder and scale.
    """

    number: int
    name: str
    title: str
    encoder_path: str
    pool_path: str | None
    release: Release
    text_paths: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The HEAR module that loads this stage."""
        return f"hear_cacophony.{self.name}"


AUDIOMAE = Stage(
    number=1,
    name="audiomae",
    title="AudioMAE",
    encoder_path="AudioEncoder_0",
    pool_path=None,
    release=Release("AudioMAE.ckpt", "3a8a7778a5e2013ceb4a418e1504d3d8"),
)
CACOPHONY = Stage(
    number=2,
    name="cacophony",
    title="Cacophony",
    encoder_path="audio_module",
    pool_path="audio_attention_pool",
    release=Release("Cacophony.ckpt", "bb6aa4b4e8e90ea3595021bf8233add0"),
    text_paths=("text_module", "text_proj", "decoder_module", "logit_scale"),
)
STAGES = (AUDIOMAE, CACOPHONY)


def find_stage(name: str) -> Stage:
    """The stage called `name` ("audiomae" or "cacophony").

    Raises:
        ValueError: no stage has that name; the message lists those there are.
    """
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise ValueError(f"unknown stage {name!r}; expected one of {', '.join(repr(s.name) for s in STAGES)}")


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Sizes of an encoder. The defaults are those of the published models.

    `pool_heads` is read by the attention pooler of stage 2 only.
    """

    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 8
    mlp_size: int = 3072
    pool_heads: int = 8


TINY = EncoderConfig(hidden_size=64, num_layers=2, num_heads=4, mlp_size=128)
"""A model of the published layout, small enough for tests."""


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """Sizes of the text encoder and the caption decoder. The defaults are those of the published model.

    `hidden_size` is that of the audio encoder, too; `num_layers` are those of the text encoder.
    """

    hidden_size: int = 768
    vocabulary_size: int = 50_265
    positions: int = 514
    num_layers: int = 12
    decoder_layers: int = 4
    num_heads: int = 12
    mlp_size: int = 3072


TINY_TEXT = TextConfig(hidden_size=64, num_layers=2, decoder_layers=2, num_heads=4, mlp_size=128)
"""The text side of a model small enough for tests, with the vocabulary of the published one."""
