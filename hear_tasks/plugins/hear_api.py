"""The two functions of the HEAR API that are the same for all plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from hear_tasks.plugins.torch_model import TorchModel


def get_scene_embeddings(audio: torch.Tensor, model: TorchModel) -> torch.Tensor:
    """One embedding for each clip.

    Args:
        audio: mono samples in [-1, 1] at `model.sample_rate`, shape (n_sounds, n_samples), floats.
        model: what `load_model` returned.

    Returns:
        Shape (n_sounds, scene_embedding_size), float32, on the model's device.

    Raises:
        ValueError: another shape, no samples, NaN or infinite samples.
        TypeError: samples are not floats.
    """
    return model.scene_embeddings(audio)


def get_timestamp_embeddings(audio: torch.Tensor, model: TorchModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings along each clip.

    Args and errors as in `get_scene_embeddings`.

    Returns:
        embeddings: shape (n_sounds, n_timestamps, timestamp_embedding_size), float32.
        timestamps: milliseconds from the start of the clip, shape (n_sounds, n_timestamps), float32.
    """
    return model.timestamp_embeddings(audio)
