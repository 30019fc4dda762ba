"""HEAR module of LAION-CLAP without feature fusion (Wu et al. 2023, arXiv 2211.06687), 48 kHz.

A scene embedding is what `transformers.ClapModel.get_audio_features` gives: the latent output of HTSAT through the
audio projection, 512 values, scaled to length 1. It is the layer that training aligned with text, and the one that
users of the model call its audio embedding. A clip shorter than 10 s is repeated as often as it fits whole into 10 s,
then filled up with zeros ("repeatpad"). Of a longer one transformers embeds 10 s at random; here it is covered by
segments of 10 s, whose embeddings are averaged.

A timestamp embedding is the scene embedding of the second around it, each 50 ms; HTSAT itself tells times 312 ms apart.
So a second of an event task costs 20 passes of 10 s.

Weights: the repository laion/clap-htsat-unfused on the Hugging Face hub, licence Apache-2.0; no checksum of its
pytorch_model.bin (615 MB) is known to us, so the module takes it at one commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_tasks.plugins.hear_api import get_scene_embeddings, get_timestamp_embeddings
from hear_tasks.plugins.libraries import explained_imports

if TYPE_CHECKING:
    from hear_tasks.plugins.torch_model import TorchModel

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

HUB_NAME = "laion/clap-htsat-unfused"
HUB_REVISION = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"


def load_model(model_file_path: str = "", *, timestamp_hop_ms: int = 50, timestamp_window_ms: int = 1000) -> TorchModel:
    """LAION-CLAP.

    Args:
        model_file_path: a folder in the format of transformers (config.json, preprocessor_config.json and
            model.safetensors or pytorch_model.bin), or the name of a repository on the Hugging Face hub; unless given,
            `HUB_NAME` at `HUB_REVISION`, from this machine's cache or the hub.
        timestamp_hop_ms: milliseconds between timestamps.
        timestamp_window_ms: milliseconds of audio around a timestamp that its embedding tells of.

    Raises:
        ModuleNotFoundError: transformers is not installed; the message says how to install it.
        FileNotFoundError: no such folder.
        OSError: a file is missing in the folder, or the hub cannot be reached.
        CheckpointError: a model of another kind, or its parameters are not those of the model; all are listed.
        ValueError: impossible options.
    """
    with explained_imports("LAION-CLAP"):
        from hear_tasks.plugins.laion_models import load_laion_clap
        from hear_tasks.plugins.torch_model import TorchModel
    place, revision = (model_file_path, "main") if model_file_path else (HUB_NAME, HUB_REVISION)
    return TorchModel(load_laion_clap(place, revision, fusion=False), timestamp_hop_ms, timestamp_window_ms)
