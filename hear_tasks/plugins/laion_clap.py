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

from hear_tasks.plugins.hear_api import get_scene_embeddings, get_timestamp_embeddings, model_loader

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

HUB_NAME = "laion/clap-htsat-unfused"
HUB_REVISION = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"

load_model = model_loader(
    "LAION-CLAP", "laion_models.load_laion_clap", hub_name=HUB_NAME, hub_revision=HUB_REVISION, fusion=False
)
