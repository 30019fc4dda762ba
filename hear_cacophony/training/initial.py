"""What training starts from: drawn values, a checkpoint, or RoBERTa's published weights."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import numpy as np

from hear_cacophony.checkpoint.checkpoint import CheckpointError
from hear_cacophony.checkpoint.checks import check_finite, shape_problems
from hear_cacophony.checkpoint.decoder import expected_decoder_shapes, read_decoder
from hear_cacophony.checkpoint.parameters import TEXT_LAYERS, Shapes, expected_shapes, expected_text_shapes
from hear_cacophony.checkpoint.read import read_checkpoint
from hear_cacophony.checkpoint.untrained import draw_parameter
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY, EncoderConfig, Stage, TextConfig
from hear_cacophony.training.sizes import Sizes

FIRST_LOGIT_SCALE = 2.0
"""As in the published configuration."""

BAND_EMBEDDINGS = "freq_positional_embedding"
"""What the audio encoder adds to the patches of a band, the name's end in the published layout."""

ROBERTA_FIRST_POSITION = 2
"""Row of RoBERTa's position embeddings that its first token has."""

Parameters = dict[str, np.ndarray]


def training_shapes(stage: Stage, sizes: Sizes) -> Shapes:
    """Shapes of all parameters of a stage, by their path in the published layout."""
    audio = expected_shapes(stage, sizes.encoder)
    if stage is AUDIOMAE:
        return {**audio, **expected_decoder_shapes(sizes.encoder.hidden_size, sizes.decoder)}
    return {**audio, **expected_text_shapes(stage, sizes.text)}


def drawn_parameters(stage: Stage, sizes: Sizes, seed: int) -> Parameters:
    """Random parameters, the same for the same seed, each whatever the others are.

    The encoder's embeddings of the bands begin as large as what they are added to, of variance 1, as fixed ones would
    be: those that are hardly there at first took a stage 1 of size small 400 steps to a held-out loss of 0.127 in place
    of 0.112, of patches as they are.
    """
    drawn = {path: draw_parameter(path, shape, seed) for path, shape in training_shapes(stage, sizes).items()}
    bands = f"{stage.encoder_path}/{BAND_EMBEDDINGS}"
    drawn[bands] /= drawn[bands].std()
    if stage is CACOPHONY:
        drawn["logit_scale"] = np.asarray(FIRST_LOGIT_SCALE, np.float32)
    return drawn


def read_start(stage: Stage, path: str | os.PathLike[str]) -> tuple[Sizes, Parameters]:
    """All parameters of a checkpoint, to go on from, and their sizes.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: as `read_checkpoint`; or the file lacks the decoder, or the text side.
    """
    checkpoint = read_checkpoint(path, stage, with_text=stage is CACOPHONY)
    parameters = dict(checkpoint.parameters)
    if checkpoint.text is not None:
        text = dict(checkpoint.text.parameters)
        return Sizes(checkpoint.config, EncoderConfig(), checkpoint.text.config), {**parameters, **text}
    decoder = read_decoder(path)
    return Sizes(checkpoint.config, decoder.config, TextConfig()), {**parameters, **decoder.parameters}


def read_audio_start(path: str | os.PathLike[str], config: EncoderConfig) -> Parameters:
    """The encoder of a stage 1 checkpoint, under the names that it has in stage 2.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: as `read_checkpoint`; or the file is of stage 2, or its encoder of other sizes than `config`.
    """
    checkpoint = read_checkpoint(path, AUDIOMAE)
    found = {name: size for name, size in vars(checkpoint.config).items() if size != getattr(config, name)}
    if found:
        listed = ", ".join(f"{name} {size} (expected {getattr(config, name)})" for name, size in found.items())
        raise CheckpointError(f"{path}: the encoder has {listed}; train with the --size that it has")
    first, second = AUDIOMAE.encoder_path, CACOPHONY.encoder_path
    return {name.replace(first, second, 1): array for name, array in checkpoint.parameters.items()}


def read_roberta(path: str | os.PathLike[str], config: TextConfig) -> Parameters:
    """The text encoder of RoBERTa-base, from the file model.safetensors of the hub, as stage 2's text encoder.

    The published model counts positions from 0, RoBERTa from 2 (its rows 0 and 1 belong to padding): row i + 2 of
    its position embeddings becomes row i, and the two rows that are left over at the end are its rows 0 and 1, which
    no text of 512 tokens or fewer reaches. The one token type embedding, which RoBERTa adds to every token, is that of
    type 0 here, too. Kernels are transposed, and those of the layers stacked. RoBERTa's language model head is left
    alone: pooler, projection and caption decoder start from drawn values.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: it is no .safetensors file, or its parameters are not those of RoBERTa in this size.
    """
    import safetensors

    file = pathlib.Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; expected RoBERTa-base's model.safetensors")
    try:
        with safetensors.safe_open(file, framework="numpy") as tensors:
            names = {name.removeprefix("roberta."): name for name in tensors.keys()}  # noqa: SIM118
            wanted = _roberta_names(config)
            shapes = {name: tuple(tensors.get_slice(full).get_shape()) for name, full in names.items()}
            dtypes = {name: tensors.get_slice(full).get_dtype() for name, full in names.items()}
            problems = shape_problems(shapes, dtypes, wanted, ["embeddings", "encoder"])
            problems = [each for each in problems if "position_ids" not in each]
            if problems:
                listed = "\n  ".join(problems)
                raise CheckpointError(f"{file}: the parameters are not those of RoBERTa in this size:\n  {listed}")
            arrays = {name: np.asarray(tensors.get_tensor(names[name]), np.float32) for name in wanted}
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{file}: not a readable .safetensors file ({error}); an interrupted download?"
        ) from error
    check_finite(arrays, file)
    return _from_roberta(arrays, config)


def _roberta_names(config: TextConfig) -> Shapes:
    """Shapes of RoBERTa's text encoder by name, in the layout of the hub."""
    text = CACOPHONY.text_paths[0]
    shapes: Shapes = {}
    for path, shape in expected_text_shapes(CACOPHONY, config).items():
        name = _roberta_name(path.removeprefix(f"{text}/"))
        if not path.startswith(f"{text}/") or path.startswith(f"{text}/pooler/"):
            continue
        if TEXT_LAYERS not in path:
            shapes[name] = shape
            continue
        layers, *each = shape
        shapes |= {name.format(i): tuple(reversed(each)) for i in range(layers)}
    return shapes


def _roberta_name(path: str) -> str:
    """The name that RoBERTa has for a path below the text encoder's name; {} stands for the layer."""
    name = path.replace(TEXT_LAYERS, "encoder/layer/{}")
    for ours, theirs in (("embedding", "weight"), ("kernel", "weight"), ("scale", "weight")):
        name = name.removesuffix(f"/{ours}") + f"/{theirs}" if name.endswith(f"/{ours}") else name
    return name.replace("/", ".")


def _from_roberta(arrays: Mapping[str, np.ndarray], config: TextConfig) -> Parameters:
    text = CACOPHONY.text_paths[0]
    parameters: Parameters = {}
    for path in expected_text_shapes(CACOPHONY, config):
        name = _roberta_name(path.removeprefix(f"{text}/"))
        if name in arrays:
            parameters[path] = arrays[name]
        elif "{}" in name and path.startswith(f"{text}/"):
            parameters[path] = np.stack([arrays[name.format(i)].T for i in range(config.num_layers)])
    positions = f"{text}/embeddings/position_embeddings/embedding"
    parameters[positions] = np.roll(parameters[positions], -ROBERTA_FIRST_POSITION, axis=0)
    return parameters
