"""The three functions of the HEAR API, which are the same for all plugins but for the network that they load."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hear_tasks.plugins.libraries import explained_imports

if TYPE_CHECKING:
    import torch

    from hear_tasks.plugins.torch_model import TorchModel


def model_loader(title: str, loader: str, **settings: Any) -> Callable[..., TorchModel]:
    """The `load_model` of a plugin.

    Args:
        title: of the model, for messages.
        loader: MODULE.FUNCTION that loads its network from a path; what it needs is imported when it is called.
        settings: more arguments of that function.
    """

    def load_model(
        model_file_path: str = "", *, timestamp_hop_ms: int = 50, timestamp_window_ms: int = 1000
    ) -> TorchModel:
        """Load the model.

        Args:
            model_file_path: its weights, which the docstring of the module names; a file of the same model, such as one
                fine-tuned, will do. LAION-CLAP: a folder in the format of transformers (config.json,
                preprocessor_config.json and model.safetensors or pytorch_model.bin), or the name of a repository on the
                Hugging Face hub; unless given, the published one, from this machine's cache or the hub.
            timestamp_hop_ms: milliseconds between timestamps.
            timestamp_window_ms: milliseconds of audio around a timestamp that its embedding tells of.

        Raises:
            ModuleNotFoundError: a library is not installed; the message says how to install it.
            FileNotFoundError: no file is named, or there is none.
            OSError: a file is missing in the folder, or the hub cannot be reached.
            CheckpointError: a model of another kind, or its parameters are not those of the model; all are listed.
            ValueError: impossible options.
        """
        with explained_imports(title):
            from hear_tasks.plugins.torch_model import TorchModel

            module, _, function = loader.partition(".")
            load_encoder = getattr(importlib.import_module(f"{__package__}.{module}"), function)
            encoder = load_encoder(model_file_path, **settings)
        return TorchModel(encoder, timestamp_hop_ms, timestamp_window_ms)

    return load_model


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
