"""Encoding a clip by a subset of its patches, as the published evaluation does with clips beyond its limit.

The encoder sees the whole clip with all other patches masked. A masked patch changes no other, and each patch keeps
its place in time and frequency, so that is the same as giving the encoder the subset alone.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony import frontend
from hear_cacophony.encoder import AttentionPooler, AudioEncoder
from hear_cacophony.frontend import PATCH_FRAMES, PATCHES_PER_STEP, STEP_LENGTH
from hear_cacophony.stages import EncoderConfig

_STEPS = 16
"""Clips are padded to a multiple of so many time steps: few programs are compiled for clips of many lengths."""


def encode_subset(
    variables, config: EncoderConfig, clip: np.ndarray, patches: np.ndarray, precision: str = "float32"
) -> jax.Array:
    """Encode some patches of a clip, which see one another alone.

    Args:
        variables: of the encoder, as `to_variables` gives them.
        config: its sizes.
        clip: 16 kHz mono, shape (samples,), float32.
        patches: indices of whole patches (8 * time step + frequency band), in order, shape (kept,).
        precision: "float32" or "bfloat16", of matrix products.

    Returns:
        Last hidden states of these patches, shape (kept, hidden_size), float32.

    Raises:
        ValueError: an index is none of a whole patch of the clip.
    """
    whole = frontend.count_frames(len(clip)) // PATCH_FRAMES * PATCHES_PER_STEP
    if not (len(patches) and patches.min() >= 0 and patches.max() < whole):
        raise ValueError(f"expected indices of the {whole} whole patches of the clip, got {patches}")
    steps = -(-whole // PATCHES_PER_STEP // _STEPS) * _STEPS
    audio = np.zeros((1, frontend.count_samples(steps * PATCH_FRAMES)), np.float32)
    length = min(len(clip), audio.shape[1])
    audio[0, :length] = clip[:length]
    mask = np.zeros((1, steps * PATCHES_PER_STEP), bool)
    mask[0, patches] = True
    return _encode(variables["encoder"], audio, mask, config=config, precision=precision)[0, patches]


def embed_subset(
    variables, config: EncoderConfig, clip: np.ndarray, patches: np.ndarray, precision: str = "float32"
) -> np.ndarray:
    """The embedding of a clip from some of its patches, in stage 2.

    Args and errors as in `encode_subset`; `variables` with those of the pooler.

    Returns:
        Unit norm, shape (hidden_size,), float32.
    """
    encoded = encode_subset(variables, config, clip, patches, precision)[None]
    with jax.default_matmul_precision("highest"):
        pooled = AttentionPooler(config).apply(
            {"params": variables["pooler"]}, encoded, jnp.ones(encoded.shape[:2], bool)
        )
    return np.asarray(pooled)[0]


@functools.partial(jax.jit, static_argnames=("config", "precision"))
def _encode(variables, audio, mask, *, config: EncoderConfig, precision: str):
    log_mel = frontend.log_mel(audio, audio.shape[1] // STEP_LENGTH * PATCH_FRAMES)
    with jax.default_matmul_precision("highest" if precision == "float32" else "default"):
        encoder = AudioEncoder(config, jnp.dtype(precision))
        return encoder.apply({"params": variables}, frontend.to_patches(log_mel), mask)
