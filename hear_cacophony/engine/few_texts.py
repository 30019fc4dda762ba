"""A few texts without JAX: the text encoder in NumPy, on parameters read layer by layer as they are needed.

For the labels of a folder that is embedded already, importing JAX, tracing, and arranging all parameters take several
times as long as the products. What comes out is that of `TextModel`, to float32's rounding. Each text goes through the
encoder by itself, as long as it is: on some processors BLAS rounds a text otherwise by its place in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hear_cacophony.checkpoint.checkpoint import LazyParameters, TextSide
from hear_cacophony.checkpoint.parameters import TEXT_LAYERS
from hear_cacophony.engine.tokens import check_tokens
from hear_cacophony.model.stages import Stage, TextConfig

_NORM_EPSILON = 1e-5
_MASKED = np.float32(-1e10)

_Variables = dict[str, np.ndarray]


class FewTexts:
    """The text side of a checkpoint, whose parameters stay where they are until texts are embedded.

    Attributes:
        embedding_size: values in an embedding.
        logit_scale: logarithm of the factor of similarities in classification.
    """

    def __init__(self, stage: Stage, text: TextSide) -> None:
        self._config, self._parameters = text.config, text.parameters
        self._tower, self._projection, _, scale = stage.text_paths
        self.embedding_size = text.config.hidden_size
        self.logit_scale = float(text.parameters[scale])

    def embed_tokens(self, tokens: Sequence[Sequence[int] | np.ndarray]) -> np.ndarray:
        """One embedding for each text, as `TextModel.embed_tokens`, whose errors these are.

        Raises:
            CheckpointError: the file has changed, or its parameters are not finite.
        """
        states = self._embedded(check_tokens(tokens, self._config))
        for i in range(self._config.num_layers):
            layer = _Layer(self._parameters, f"{self._tower}/{TEXT_LAYERS}", i, self._config)
            states = [layer(x) for x in states]
        return self._pooled(states)

    def _embedded(self, texts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Tokens of each text, shape (tokens,), as their words, places and type; only those words are read."""
        tables, take = f"{self._tower}/embeddings", self._parameters.rows
        words = np.unique(np.concatenate(texts))
        rows = np.concatenate([take(f"{tables}/word_embeddings/embedding", i, i + 1) for i in words.tolist()])
        places = take(f"{tables}/position_embeddings/embedding", 0, max(map(len, texts)))
        types = take(f"{tables}/token_type_embeddings/embedding", 0, 1)
        norm = self._leaves(f"{tables}/LayerNorm", "scale", "bias")
        return [_normed(rows[np.searchsorted(words, ids)] + types + places[: len(ids)], norm) for ids in texts]

    def _pooled(self, states: Sequence[np.ndarray]) -> np.ndarray:
        """The embeddings of texts, shape (texts, embedding size), of their tokens' states, shape (tokens, hidden)."""
        pooler, size = f"{self._tower}/pooler", np.float32(np.sqrt(self.embedding_size))
        query = self._parameters[f"{pooler}/attention_pool_query"][0]
        key, value, projection = (
            self._leaves(path, "kernel", "bias")
            for path in (f"{pooler}/key_proj", f"{pooler}/value_proj", self._projection)
        )
        means = [_softmax(_dense(x, key) / size @ query) @ x for x in states]
        projected = np.stack([_dense(_dense(mean, value), projection) for mean in means])
        return projected / np.linalg.norm(projected + np.float32(1e-10), axis=-1, keepdims=True)

    def _leaves(self, path: str, *leaves: str) -> _Variables:
        return {leaf: self._parameters[f"{path}/{leaf}"] for leaf in leaves}


class _Layer:
    """A post-norm transformer layer, as `hear_cacophony.model.text_layers.TextLayer`."""

    def __init__(self, parameters: LazyParameters, path: str, number: int, config: TextConfig) -> None:
        def take(name: str, *leaves: str) -> _Variables:
            return {leaf: parameters.rows(f"{path}/{name}/{leaf}", number, number + 1)[0] for leaf in leaves}

        self._heads = config.num_heads
        self._attention = [take(f"attention/self/{name}", "kernel", "bias") for name in ("query", "key", "value")]
        self._out = take("attention/output/dense", "kernel", "bias")
        self._attention_norm = take("attention/output/LayerNorm", "scale", "bias")
        self._mlp_in, self._mlp_out = (take(f"{name}/dense", "kernel", "bias") for name in ("intermediate", "output"))
        self._mlp_norm = take("output/LayerNorm", "scale", "bias")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The states of a text's tokens, shape (tokens, hidden), after this layer."""
        x = _normed(x + _dense(self._attend(x), self._out), self._attention_norm)
        return _normed(x + _dense(_gelu(_dense(x, self._mlp_in)), self._mlp_out), self._mlp_norm)

    def _attend(self, x: np.ndarray) -> np.ndarray:
        """Each token attends to those up to itself."""
        tokens, hidden = x.shape
        shape = (tokens, self._heads, hidden // self._heads)
        query, key, value = (_dense(x, each).reshape(shape).swapaxes(0, 1) for each in self._attention)
        scores = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(shape[-1]))
        counts = np.tri(tokens, dtype=bool)
        return (_softmax(np.where(counts, scores, _MASKED)) @ value).swapaxes(0, 1).reshape(x.shape)


def _dense(x: np.ndarray, variables: _Variables) -> np.ndarray:
    kernel = variables["kernel"]
    # The kernel comes first: BLAS is twice as fast with few columns as with few rows.
    return (kernel.T @ x.T).T + variables["bias"]


def _normed(x: np.ndarray, variables: _Variables) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + np.float32(_NORM_EPSILON)) * variables["scale"] + variables["bias"]


def _softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return x * (1 + erf(x * np.float32(np.sqrt(0.5)))) * np.float32(0.5)
