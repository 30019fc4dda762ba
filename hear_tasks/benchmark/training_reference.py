"""Training as one would write it down: plain linen modules under the published names, plain optax.

Every layer is a module of its own, and query, key and value are products of their own. What the package's own training
is timed against, and what it has to agree with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from hear_cacophony.checkpoint.parameters import TEXT_LAYERS
from hear_cacophony.frontend import spectrogram
from hear_cacophony.model.stages import AUDIOMAE, EncoderConfig, TextConfig
from hear_cacophony.training.batches import Batch
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.step import FIRST_MOMENT, SECOND_MOMENT, learning_rate

DROPOUT = 0.1


class MLP(nn.Module):
    """Two dense layers and a SiLU."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        wide = nn.silu(nn.Dense(self.config.mlp_size)(x))
        return nn.Dense(self.config.hidden_size)(wide)


class AudioEncoderLayer(nn.Module):
    """A pre-norm transformer layer."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        normed = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(self.config.num_heads)(normed, mask=mask[:, None, None, :])
        return x + MLP(self.config)(nn.LayerNorm()(x))


class AudioEncoder(nn.Module):
    """The audio encoder of both stages."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, patches: jax.Array, mask: jax.Array, places: Any) -> jax.Array:
        x = _Placed(self.config.hidden_size, self)(nn.Dense(self.config.hidden_size)(patches), places)
        for _ in range(self.config.num_layers):
            x = AudioEncoderLayer(self.config)(x, mask)
        return nn.LayerNorm()(x)


class AudioDecoder(nn.Module):
    """Stage 1's decoder."""

    config: EncoderConfig

    @nn.compact
    def __call__(
        self, encoded: jax.Array, mask: jax.Array, places: Any, wanted_mask: jax.Array, wanted: Any
    ) -> jax.Array:
        hidden = self.config.hidden_size
        placed = _Placed(hidden, self)
        known = placed(nn.Dense(hidden)(encoded), places)
        x = jnp.concatenate([known, placed(self.param("restore_patch", nn.initializers.zeros, (hidden,)), wanted)], 1)
        mask = jnp.concatenate([mask, wanted_mask], 1)
        for _ in range(self.config.num_layers):
            x = AudioEncoderLayer(self.config)(x, mask)
        return nn.Dense(spectrogram.PATCH_FRAMES**2)(nn.LayerNorm()(x)[:, encoded.shape[1] :])


class _Placed:
    """Adds the embeddings of places to patches: sines and cosines of the time step, and a vector for each band."""

    def __init__(self, hidden: int, module: nn.Module) -> None:
        self._rates = 10_000.0 ** (-jnp.arange(0, hidden, 2) / hidden)
        self._bands = module.param("freq_positional_embedding", nn.initializers.zeros, (8, hidden))

    def __call__(self, x: jax.Array, places: jax.Array) -> jax.Array:
        angles = (places // 8)[..., None] * self._rates
        return x + jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1) + self._bands[places % 8]


class AudioMAE(nn.Module):
    """Stage 1: the mean squared error of the patches that were to be restored."""

    options: TrainOptions

    @nn.compact
    def __call__(self, batch: Batch) -> jax.Array:
        sizes, patches = self.options.sizes, _patches(batch.audio)
        x, mask = _chosen(patches, batch.places, batch.counts)
        targets, wanted_mask = _chosen(patches, batch.wanted_places, batch.wanted_counts)
        encoded = AudioEncoder(sizes.encoder)(x, mask, batch.places)
        restored = AudioDecoder(sizes.decoder)(encoded, mask, batch.places, wanted_mask, batch.wanted_places)
        return jnp.mean(jnp.square(restored - targets), where=wanted_mask[..., None])


class TextAttention(nn.Module):
    """RoBERTa's attention, over `memory`, with its residual connection and norm."""

    config: TextConfig
    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, memory: jax.Array, mask: jax.Array) -> jax.Array:
        hidden, heads = self.config.hidden_size, self.config.num_heads

        def project(name: str, of: jax.Array) -> jax.Array:
            return nn.Dense(hidden, name=f"self/{name}")(of).reshape(*of.shape[:2], heads, hidden // heads)

        query, key, value = project("query", x), project("key", memory), project("value", memory)
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / jnp.sqrt(hidden / heads)
        weights = _dropped(nn.softmax(jnp.where(mask, scores, -1e10)), self.rate)
        attended = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape)
        added = _dropped(nn.Dense(hidden, name="output/dense")(attended), self.rate)
        return nn.LayerNorm(epsilon=1e-5, name="output/LayerNorm")(x + added)


class TextLayer(nn.Module):
    """RoBERTa's layer, with attention to audio where there is any."""

    config: TextConfig
    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, audio: jax.Array | None, audio_mask: jax.Array) -> jax.Array:
        config = self.config
        x = TextAttention(config, self.rate, name="attention")(x, x, mask)
        if audio is not None:
            x = TextAttention(config, self.rate, name="crossattention")(x, audio, audio_mask)
        wide = nn.gelu(nn.Dense(config.mlp_size, name="intermediate/dense")(x), approximate=False)
        narrow = _dropped(nn.Dense(config.hidden_size, name="output/dense")(wide), self.rate)
        return nn.LayerNorm(epsilon=1e-5, name="output/LayerNorm")(x + narrow)


class TextModule(nn.Module):
    """The text encoder, and its pooled tokens."""

    config: TextConfig
    rate: float

    @nn.compact
    def __call__(self, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        hidden, tokens = self.config.hidden_size, ids.shape[1]
        x = nn.Embed(self.config.vocabulary_size, hidden, name="embeddings/word_embeddings")(ids)
        x = x + nn.Embed(1, hidden, name="embeddings/token_type_embeddings")(jnp.zeros_like(ids))
        x = x + nn.Embed(self.config.positions, hidden, name="embeddings/position_embeddings")(jnp.arange(tokens))
        x = _dropped(nn.LayerNorm(epsilon=1e-5, name="embeddings/LayerNorm")(x), self.rate)
        causal = jnp.tril(jnp.ones((tokens, tokens), bool)) & mask[:, None, None, :]
        for i in range(self.config.num_layers):
            x = TextLayer(self.config, self.rate, name=f"encoder/layer/{i}")(x, causal, None, causal)
        query = self.param("pooler/attention_pool_query", nn.initializers.zeros, (1, hidden))
        key, value = (nn.Dense(hidden, name=f"pooler/{name}_proj")(x) for name in ("key", "value"))
        scores = jnp.where(mask, (key @ query[0]) / jnp.sqrt(hidden), -1e10)
        return x, jnp.einsum("bt,btd->bd", nn.softmax(scores), value)


class TextDecoder(nn.Module):
    """The caption decoder."""

    config: TextConfig
    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, audio: jax.Array, audio_mask: jax.Array) -> jax.Array:
        causal = jnp.tril(jnp.ones((x.shape[1], x.shape[1]), bool)) & mask[:, None, None, :]
        for i in range(self.config.decoder_layers):
            layer = TextLayer(self.config, self.rate, name=f"encoder/layer/{i}")
            x = layer(x, causal, audio, audio_mask[:, None, None, :])
        return nn.Dense(self.config.vocabulary_size, name="decoder_proj")(x)


class AttentionPool(nn.Module):
    """Stage 2's pooling of patches."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        hidden, heads = self.config.hidden_size, self.config.pool_heads
        query = self.param("query", nn.initializers.zeros, (hidden,)).reshape(heads, -1)
        key, value = jnp.split(nn.Dense(2 * hidden)(x).reshape(*x.shape[:2], 2 * heads, -1), 2, axis=2)
        scores = jnp.einsum("hd,bphd->bhp", query, key) / jnp.sqrt(hidden / heads)
        weights = nn.softmax(jnp.where(mask[:, None, :], scores, -1e10))
        return nn.Dense(hidden)(jnp.einsum("bhp,bphd->bhd", weights, value).reshape(len(x), hidden))


class Cacophony(nn.Module):
    """Stage 2: both cross-entropies. `rate` is that of the dropout."""

    options: TrainOptions
    rate: float = DROPOUT

    @nn.compact
    def __call__(self, batch: Batch) -> jax.Array:
        sizes = self.options.sizes
        ids, mask = jnp.asarray(batch.ids), _mask(batch.ids, batch.lengths)
        patches, audio_mask = _chosen(_patches(batch.audio), batch.places, batch.counts)
        heard = AudioEncoder(sizes.encoder, name="audio_module")(patches, audio_mask, batch.places)
        audio = _unit(AttentionPool(sizes.encoder, name="audio_attention_pool")(heard, audio_mask))
        read, pooled = TextModule(sizes.text, self.rate, name="text_module")(ids, mask)
        text = _unit(nn.Dense(sizes.text.hidden_size, name="text_proj")(pooled))
        logits = jnp.exp(self.param("logit_scale", nn.initializers.zeros, ())) * audio @ text.T
        rows, columns = (jnp.mean(_entropies(each, jnp.arange(len(ids)))) for each in (logits, logits.T))
        tokens = TextDecoder(sizes.text, self.rate, name="decoder_module")(read, mask, heard, audio_mask)
        caption = jnp.mean(_entropies(tokens[:, :-1], ids[:, 1:]), where=mask[:, 1:])
        return (rows + columns) / 2 + self.options.caption_weight * caption


_entropies = optax.softmax_cross_entropy_with_integer_labels


def _patches(audio: Any) -> jax.Array:
    frames = audio.shape[1] // spectrogram.STEP_LENGTH * spectrogram.PATCH_FRAMES
    return spectrogram.to_patches(spectrogram.log_mel(audio.astype(jnp.float32) / 32_768, frames))


def _chosen(patches: jax.Array, places: Any, counts: Any) -> tuple[jax.Array, jax.Array]:
    """Patches at places, and which of them count."""
    return jnp.take_along_axis(patches, places[..., None], axis=1), _mask(places, counts)


def _mask(rows: Any, counts: Any) -> jax.Array:
    return jnp.arange(rows.shape[1]) < counts[:, None]


def _dropped(x: jax.Array, rate: float) -> jax.Array:
    return nn.Dropout(rate, deterministic=rate == 0)(x)


def _unit(x: jax.Array) -> jax.Array:
    return x / jnp.linalg.norm(x + 1e-10, axis=-1, keepdims=True)


def reference_model(options: TrainOptions, *, dropout: bool = True) -> nn.Module:
    """The module of the stage of a run; called with a batch, it gives the loss."""
    return AudioMAE(options) if options.of is AUDIOMAE else Cacophony(options, DROPOUT if dropout else 0.0)


def reference_variables(model: nn.Module, batch: Batch, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of a reference model from parameters by path, of whose stacked text layers each gets its own."""

    def find(keys: tuple[Any, ...], _: Any) -> Any:
        before, text_layer, after = (path := "/".join(key.key for key in keys[1:])).partition("encoder/layer/")
        if not text_layer:
            return parameters[path]
        number, _, leaf = after.partition("/")
        return parameters[f"{before}{TEXT_LAYERS}/{leaf}"][int(number)]

    with jax.numpy_dtype_promotion("standard"):
        shapes = jax.eval_shape(model.init, {"params": jax.random.key(0), "dropout": jax.random.key(0)}, batch)
    return jax.tree_util.tree_map_with_path(find, shapes)


def reference_loss(model: nn.Module, variables: Any, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """The loss of a batch, shape (); `key` is that of the dropout."""
    with jax.numpy_dtype_promotion("standard"), jax.default_matmul_precision("highest"):
        loss: Any = model.apply(variables, batch, rngs=None if key is None else {"dropout": key})
    return loss


def reference_optimizer(options: TrainOptions) -> optax.GradientTransformation:
    """AdamW as the package has it."""

    def decays(variables: Any) -> Any:
        return jax.tree_util.tree_map_with_path(lambda keys, _: keys[-1].key == "kernel", variables)

    moments = {"b1": FIRST_MOMENT, "b2": SECOND_MOMENT, "weight_decay": options.weight_decay}
    adamw = optax.adamw(learning_rate(options), **moments, mask=decays)
    return optax.chain(optax.clip_by_global_norm(options.clip), adamw)


def reference_step(model: nn.Module, optimizer: optax.GradientTransformation) -> Any:
    """The jitted step, from variables, optax's state, a batch and a key to the new ones and the loss."""

    def step(variables: Any, state: Any, batch: Batch, key: jax.Array) -> tuple[Any, Any, jax.Array]:
        loss, gradients = jax.value_and_grad(reference_loss, argnums=1)(model, variables, batch, key)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradients, state, variables)
            return optax.apply_updates(variables, updates), state, loss

    return jax.jit(step, donate_argnums=(0, 1))
