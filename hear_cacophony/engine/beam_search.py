"""Beam search with length normalisation.

The score of a caption is the sum of the log-probabilities of its tokens, the end token among them, divided by their
number to the power `length_power` (Wu et al., 2016, without the offset of their formula).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from hear_cacophony.engine.generation import START_TOKEN, Caches, Generation, TokenStep


class _Beams(NamedTuple):
    """The search so far. Both kinds of texts are sorted by their scores, best first.

    Attributes:
        position: of the last token of the live texts.
        ids: live texts, shape (clips, beams, tokens).
        scores: their sums of log-probabilities, shape (clips, beams).
        caches: of the live texts.
        ended_ids: the best texts with an end token, shape (clips, beams, tokens).
        ended_scores: their normalised scores, -inf where there is none yet, shape (clips, beams).
    """

    position: jax.Array
    ids: jax.Array
    scores: jax.Array
    caches: Caches
    ended_ids: jax.Array
    ended_scores: jax.Array


def search(step: TokenStep, clips: int, generation: Generation) -> jax.Array:
    """The best caption that the beams find for each clip: the best that ended, or the best live one where none did.

    Args:
        step: made for `clips` clips.
        clips: how many.
        generation: with method "beam".

    Returns:
        Token ids, 0 after the end token, shape (clips, max_tokens), int32.
    """
    assert generation.length_power is not None
    power, longest = generation.length_power, generation.max_tokens - 1

    def more(beams: _Beams) -> jax.Array:
        best_to_come = beams.scores[:, 0] / longest**power
        settled = jnp.min(beams.ended_scores, axis=1) >= best_to_come
        return (beams.position < longest) & ~jnp.all(settled)

    def extend(beams: _Beams) -> _Beams:
        return _extend(beams, step, generation, power)

    found = jax.lax.while_loop(more, extend, _start(step, clips, generation))
    any_ended = found.ended_scores[:, :1] > -jnp.inf
    return jnp.where(any_ended, found.ended_ids[:, 0], found.ids[:, 0])


def _start(step: TokenStep, clips: int, generation: Generation) -> _Beams:
    """All beams alike, of which the first one counts."""
    ids = jnp.zeros((clips, generation.sequences, generation.max_tokens), jnp.int32).at[:, :, 0].set(START_TOKEN)
    none = jnp.full((clips, generation.sequences), -jnp.inf, jnp.float32)
    caches = step.empty_caches(clips * generation.sequences)
    return _Beams(jnp.int32(0), ids, none.at[:, 0].set(0.0), caches, jnp.zeros_like(ids), none)


def _extend(beams: _Beams, step: TokenStep, generation: Generation, power: float) -> _Beams:
    """Follow each live text with each token; twice as many as there are beams are looked at, as each beam may end."""
    clips, width, _ = beams.ids.shape
    last = jax.lax.dynamic_index_in_dim(beams.ids, beams.position, axis=2, keepdims=False)
    logits, caches = step(beams.caches, last.reshape(-1), beams.position)
    scores = beams.scores[..., None] + jax.nn.log_softmax(logits).reshape(clips, width, -1)
    best, place = jax.lax.top_k(scores.reshape(clips, -1), 2 * width)
    parent, token = place // scores.shape[-1], (place % scores.shape[-1]).astype(jnp.int32)
    position = beams.position + 1
    ids = jnp.take_along_axis(beams.ids, parent[..., None], axis=1)
    ids = jax.lax.dynamic_update_slice_in_dim(ids, token[..., None], position, axis=2)

    ends = token == generation.end_token
    normalised = jnp.where(ends, best / position.astype(jnp.float32) ** power, -jnp.inf)
    all_scores = jnp.concatenate([beams.ended_scores, normalised], axis=1)
    ended_scores, kept = jax.lax.top_k(all_scores, width)
    ended_ids = jnp.take_along_axis(jnp.concatenate([beams.ended_ids, ids], axis=1), kept[..., None], axis=1)

    live_scores, kept = jax.lax.top_k(jnp.where(ends, -jnp.inf, best), width)
    live_ids = jnp.take_along_axis(ids, kept[..., None], axis=1)
    sequences = (jnp.arange(clips)[:, None] * width + jnp.take_along_axis(parent, kept, axis=1)).reshape(-1)
    caches = jax.tree.map(lambda cache: cache[sequences], caches)
    return _Beams(position, live_ids, live_scores, caches, ended_ids, ended_scores)
