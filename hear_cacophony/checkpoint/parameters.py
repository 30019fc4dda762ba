"""Every name and shape of the published parameter tree, and its way into our modules.

The checkpoints hold each transformer layer under a name of its own
(`AudioEncoderLayer_0`, `AudioEncoderLayer_1`, ...). Our encoder scans one layer over
stacked parameters and computes query, key and value in one product. The layers of the text side are
stacked in the checkpoints, and apart in our modules. This module is the only place that knows both forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hear_cacophony.model.stages import PATCH_SIZE, PATCHES_PER_STEP, EncoderConfig, Stage, TextConfig

LAYER = "AudioEncoderLayer_{}"
ATTENTION = "MultiHeadDotProductAttention_0"
TEXT_LAYERS = "encoder/layer/ScanFlaxRobertaLayer_0"

Shapes = dict[str, tuple[int, ...]]


def layer_shapes(config: EncoderConfig) -> Shapes:
    """Shapes of one transformer layer, by the path below the layer's name."""
    hidden, heads, mlp = config.hidden_size, config.num_heads, config.mlp_size
    head = hidden // heads
    shapes: Shapes = {
        **_norm_shapes("LayerNorm_0", hidden),
        **_norm_shapes("LayerNorm_1", hidden),
        **_dense_shapes("MLP_0/Dense_0", hidden, mlp),
        **_dense_shapes("MLP_0/Dense_1", mlp, hidden),
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
        **_dense_shapes("Dense_0", PATCH_SIZE, hidden),
        "freq_positional_embedding": (PATCHES_PER_STEP, hidden),
        **_norm_shapes("LayerNorm_0", hidden),
    }
    for i in range(config.num_layers):
        encoder |= {f"{LAYER.format(i)}/{path}": shape for path, shape in layer_shapes(config).items()}
    shapes = {f"{stage.encoder_path}/{path}": shape for path, shape in encoder.items()}
    if stage.pool_path is not None:
        shapes |= {
            f"{stage.pool_path}/query": (hidden,),
            **_dense_shapes(f"{stage.pool_path}/Dense_0", hidden, 2 * hidden),
            **_dense_shapes(f"{stage.pool_path}/Dense_1", hidden, hidden),
        }
    return shapes


def to_variables(stage: Stage, config: EncoderConfig, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange checkpoint parameters for our modules.

    Args:
        parameters: arrays of NumPy or jax by full checkpoint path, the keys and shapes of `expected_shapes`.

    Returns:
        {"encoder": variables of `AudioEncoder`} and, in stage 2,
        {"pooler": variables of `AttentionPooler`}; float32.
    """
    encoder = below(parameters, stage.encoder_path)
    variables = {"encoder": encoder_tree(config, encoder)}
    if stage.pool_path is not None:
        pool = below(parameters, stage.pool_path)
        variables["pooler"] = {
            "query": pool["query"],
            "key_value": dense(pool, "Dense_0"),
            "projection": dense(pool, "Dense_1"),
        }
    return variables


def encoder_tree(config: EncoderConfig, encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of `AudioEncoder`, from its parameters by the path below its name."""
    hidden, xp = config.hidden_size, encoder["Dense_0/bias"].__array_namespace__()

    def take(i: int, path: str, shape: tuple[int, ...]) -> np.ndarray:
        return encoder[f"{LAYER.format(i)}/{path}"].reshape(shape)

    def stack(path: str, *shape: int) -> np.ndarray:
        """One parameter of all layers, along a new first axis."""
        return xp.stack([take(i, path, shape) for i in range(config.num_layers)])

    def stack_dense(path: str, inputs: int, outputs: int) -> dict[str, Any]:
        return {"kernel": stack(f"{path}/kernel", inputs, outputs), "bias": stack(f"{path}/bias", outputs)}

    def join(leaf: str, *shape: int) -> np.ndarray:
        """Query, key and value of all layers, side by side along the last axis."""
        paths = [f"{ATTENTION}/{name}/{leaf}" for name in ("query", "key", "value")]
        layers = [[take(i, path, shape) for path in paths] for i in range(config.num_layers)]
        return xp.stack([xp.concat(layer, axis=-1) for layer in layers])

    return {
        "patch_projection": dense(encoder, "Dense_0"),
        "frequency_embedding": encoder["freq_positional_embedding"],
        "final_norm": {"scale": encoder["LayerNorm_0/scale"], "bias": encoder["LayerNorm_0/bias"]},
        "layers": {
            "attention_norm": {leaf: stack(f"LayerNorm_0/{leaf}", hidden) for leaf in ("scale", "bias")},
            "attention": {
                "qkv": {"kernel": join("kernel", hidden, hidden), "bias": join("bias", hidden)},
                "out": stack_dense(f"{ATTENTION}/out", hidden, hidden),
            },
            "mlp_norm": {leaf: stack(f"LayerNorm_1/{leaf}", hidden) for leaf in ("scale", "bias")},
            "mlp_in": stack_dense("MLP_0/Dense_0", hidden, config.mlp_size),
            "mlp_out": stack_dense("MLP_0/Dense_1", config.mlp_size, hidden),
        },
    }


def below(parameters: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The parameters of a subtree, by the path below its name."""
    return {path.removeprefix(f"{prefix}/"): x for path, x in parameters.items() if path.startswith(f"{prefix}/")}


def dense(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Variables of `flax.linen.Dense`."""
    return {"kernel": parameters[f"{name}/kernel"], "bias": parameters[f"{name}/bias"]}


# The text side


def expected_text_shapes(stage: Stage, config: TextConfig) -> Shapes:
    """Shapes of the text side's parameters in a checkpoint of `stage`, by their full path."""
    hidden, vocabulary = config.hidden_size, config.vocabulary_size
    text, projection, decoder, scale = stage.text_paths
    embeddings = f"{text}/embeddings"
    return {
        f"{embeddings}/word_embeddings/embedding": (vocabulary, hidden),
        f"{embeddings}/position_embeddings/embedding": (config.positions, hidden),
        f"{embeddings}/token_type_embeddings/embedding": (1, hidden),
        **_norm_shapes(f"{embeddings}/LayerNorm", hidden),
        **_text_layer_shapes(f"{text}/{TEXT_LAYERS}", config.num_layers, config, ("attention",)),
        f"{text}/pooler/attention_pool_query": (1, hidden),
        **_dense_shapes(f"{text}/pooler/key_proj", hidden, hidden),
        **_dense_shapes(f"{text}/pooler/value_proj", hidden, hidden),
        **_dense_shapes(projection, hidden, hidden),
        **_text_layer_shapes(
            f"{decoder}/{TEXT_LAYERS}", config.decoder_layers, config, ("attention", "crossattention")
        ),
        **_dense_shapes(f"{decoder}/decoder_proj", hidden, vocabulary),
        scale: (),
    }


def _text_layer_shapes(prefix: str, layers: int, config: TextConfig, attentions: tuple[str, ...]) -> Shapes:
    hidden, mlp = config.hidden_size, config.mlp_size
    products = {"intermediate/dense": (hidden, mlp), "output/dense": (mlp, hidden)}
    for attention in attentions:
        names = ("self/query", "self/key", "self/value", "output/dense")
        products |= {f"{attention}/{name}": (hidden, hidden) for name in names}
    shapes: Shapes = {}
    for name, (inputs, outputs) in products.items():
        shapes |= _dense_shapes(f"{prefix}/{name}", inputs, outputs, layers)
    for name in (*attentions, ""):
        shapes |= _norm_shapes("/".join(filter(None, (prefix, name, "output/LayerNorm"))), hidden, layers)
    return shapes


def _norm_shapes(path: str, size: int, *layers: int) -> Shapes:
    return {f"{path}/{leaf}": (*layers, size) for leaf in ("scale", "bias")}


def _dense_shapes(path: str, inputs: int, outputs: int, *layers: int) -> Shapes:
    return {f"{path}/kernel": (*layers, inputs, outputs), f"{path}/bias": (*layers, outputs)}


def to_text_variables(
    stage: Stage, parameters: Mapping[str, Any], place: Callable[[np.ndarray], Any], *, decoder: bool = True
) -> dict[str, Any]:
    """Arrange checkpoint parameters for the modules of the text side.

    Args:
        stage: a stage with a text side.
        parameters: arrays by full checkpoint path, as in `expected_text_shapes`, each of which is asked for once.
        place: puts an array where it is to stay; called as soon as the array is there.
        decoder: with the variables of the decoder.

    Returns:
        {"encoder": variables of `TextEncoder`, "pooler": of `TextPooler`, "decoder": of `CaptionDecoder`,
        "logit_scale": array}; float32.
    """
    text, projection, decoder_path, scale = stage.text_paths
    tree = _TextTree(parameters, place)
    names = {"words": "word", "positions": "position", "types": "token_type"}
    tables = {name: tree.take(f"{text}/embeddings/{of}_embeddings/embedding") for name, of in names.items()}
    return {
        "encoder": {
            "embedding": {**tables, "norm": tree.norm(f"{text}/embeddings")},
            **_apart(tree.layers(f"{text}/{TEXT_LAYERS}")),
        },
        "pooler": {
            "query": tree.take(f"{text}/pooler/attention_pool_query"),
            "key": tree.dense(f"{text}/pooler/key_proj"),
            "value": tree.dense(f"{text}/pooler/value_proj"),
            "projection": tree.dense(projection),
        },
        **({"decoder": _decoder(tree, decoder_path)} if decoder else {}),
        "logit_scale": tree.take(scale),
    }


def _decoder(tree: _TextTree, path: str) -> dict[str, Any]:
    layers = f"{path}/{TEXT_LAYERS}"
    return {
        **_apart(tree.layers(layers) | tree.cross_layers(f"{layers}/crossattention")),
        "audio": {"layers": tree.audio_memory(f"{layers}/crossattention/self")},
        "vocabulary": tree.dense(f"{path}/decoder_proj"),
    }


def _apart(layers: Mapping[str, Any]) -> dict[str, Any]:
    """From a tree of lists, one item for each layer, to a tree for each layer.

    The layers of the text side are not scanned: a step of a scan copies its weights, which for few tokens takes longer
    than their products.
    """

    def pick(tree: Mapping[str, Any], i: int) -> dict[str, Any]:
        return {name: pick(below, i) if isinstance(below, Mapping) else below[i] for name, below in tree.items()}

    count = len(layers["attention_norm"]["scale"])
    return {f"layer_{i}": pick(layers, i) for i in range(count)}


class _TextTree:
    """Parts of the text side's variables. What is along a first axis for all layers becomes a list of theirs."""

    def __init__(self, parameters: Mapping[str, Any], place: Callable[[np.ndarray], Any]) -> None:
        self._parameters, self._place = parameters, place

    def take(self, path: str) -> Any:
        return self._place(self._parameters[path])

    def dense(self, path: str) -> dict[str, Any]:
        return _dense_variables(lambda leaf: self._parameters[f"{path}/{leaf}"], self._place)

    def norm(self, path: str) -> dict[str, Any]:
        return {leaf: self.take(f"{path}/LayerNorm/{leaf}") for leaf in ("scale", "bias")}

    def layers(self, path: str) -> dict[str, Any]:
        attention = f"{path}/attention"
        names = ("query", "key", "value")
        joined = _dense_variables(lambda leaf: self._join(f"{attention}/self", names, leaf), self._place_each)
        return {
            "attention": {"qkv": joined, "out": self._denses(f"{attention}/output/dense")},
            "attention_norm": self._norms(f"{attention}/output"),
            "mlp_in": self._denses(f"{path}/intermediate/dense"),
            "mlp_out": self._denses(f"{path}/output/dense"),
            "mlp_norm": self._norms(f"{path}/output"),
        }

    def cross_layers(self, path: str) -> dict[str, Any]:
        cross = {"query": self._denses(f"{path}/self/query"), "out": self._denses(f"{path}/output/dense")}
        return {"cross": cross, "cross_norm": self._norms(f"{path}/output")}

    def audio_memory(self, path: str) -> dict[str, Any]:
        """Keys and values of all layers side by side, layer by layer: they are made of the same audio."""

        def side_by_side(leaf: str) -> np.ndarray:
            joined = self._join(path, ("key", "value"), leaf)
            joined = joined.__array_namespace__().moveaxis(joined, 0, -2)
            return joined.reshape(*joined.shape[:-2], -1)

        return _dense_variables(side_by_side, self._place)

    def _denses(self, path: str) -> dict[str, list[Any]]:
        return _dense_variables(lambda leaf: self._parameters[f"{path}/{leaf}"], self._place_each)

    def _norms(self, path: str) -> dict[str, list[Any]]:
        leaves = ("scale", "bias")
        return {leaf: self._place_each(self._parameters[f"{path}/LayerNorm/{leaf}"]) for leaf in leaves}

    def _place_each(self, stacked: np.ndarray) -> list[Any]:
        # Gradients of parts of a split are joined; those of items, each as large as all layers, would be added.
        parts = stacked.__array_namespace__().split(stacked, len(stacked))
        return [self._place(part.squeeze(0)) for part in parts]

    def _join(self, path: str, names: tuple[str, ...], leaf: str) -> np.ndarray:
        """Several products of the same input as one, along the last axis."""
        parts = [self._parameters[f"{path}/{name}/{leaf}"] for name in names]
        return parts[0].__array_namespace__().concat(parts, axis=-1)


def _dense_variables(read: Callable[[str], np.ndarray], place: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """Variables of `TextDense`, whose weights have shape (..., outputs, inputs), from what `read` gives for a leaf."""
    weight = read("kernel").swapaxes(-1, -2)
    weight = np.ascontiguousarray(weight) if isinstance(weight, np.ndarray) else weight
    return {"weight": place(weight), "bias": place(read("bias"))}
