"""The three functions of the HEAR API, for any stage.

The modules `hear_cacophony.audiomae`, `hear_cacophony.cacophony`, `hear_cacophony.logmel` and
`hear_cacophony` give them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hear_cacophony.engine.embedding import Embedder, load_embedding_model
from hear_cacophony.model.stages import Stage

if TYPE_CHECKING:
    import tensorflow as tf

    from hear_cacophony.hear.model import HearModel


def load_hear_model(stage: Stage | None, model_file_path: str, options: dict[str, Any]) -> HearModel:
    """The HEAR model of `stage`, or of whichever stage the file holds."""
    return make_hear_model(load_embedding_model(model_file_path, stage=stage, **options))


def make_hear_model(embedder: Embedder) -> HearModel:
    """The HEAR model around `embedder`.

    Raises:
        ModuleNotFoundError: TensorFlow is not installed.
    """
    try:
        from hear_cacophony.hear.model import HearModel
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise ModuleNotFoundError(
            "the HEAR model object needs TensorFlow: pip install 'hear_cacophony[hear]'; without it, "
            "hear_cacophony.load_embedding_model gives the same embeddings as NumPy arrays",
            name="tensorflow",
        ) from error
    return HearModel(embedder)


def get_scene_embeddings(audio, model: HearModel) -> tf.Tensor:
    """One embedding for each clip.

    Args:
        audio: 16 kHz mono samples in [-1, 1], shape (n_sounds, n_samples): a TensorFlow,
            torch, JAX or NumPy array of floats.
        model: what `load_model` returned.

    Returns:
        Shape (n_sounds, scene_embedding_size), float32.

    Raises:
        ValueError: another shape, no samples, NaN or infinite samples, or clips longer than
            `max_seconds`.
        TypeError: samples are not floats.
    """
    return model.scene_embeddings(audio)


def get_timestamp_embeddings(audio, model: HearModel) -> tuple[tf.Tensor, tf.Tensor]:
    """Embeddings along each clip.

    Args and errors as in `get_scene_embeddings`.

    Returns:
        embeddings: shape (n_sounds, n_timestamps, timestamp_embedding_size), float32.
        timestamps: milliseconds from the start of the clip, shape (n_sounds, n_timestamps),
            float32.
    """
    return model.timestamp_embeddings(audio)
