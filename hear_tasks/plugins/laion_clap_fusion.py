"""HEAR module of LAION-CLAP with feature fusion (Wu et al. 2023, arXiv 2211.06687), 48 kHz.

A scene embedding is what `transformers.ClapModel.get_audio_features` gives: the latent output of HTSAT through the
audio projection, 512 values, scaled to length 1. It is the layer that training aligned with text, and the one that
users of the model call its audio embedding.

The model takes a clip of any length at once. One of up to 10 s is repeated as often as it fits whole into 10 s, then
filled up with zeros ("repeatpad"), and is not fused. Of a longer one the model fuses the whole spectrogram, shrunk to
10 s, with three excerpts of 10 s. transformers draws the three at random from the beginning, the middle and the end;
here they are the middle of each third of the possible ones. transformers also fuses one clip at random in a batch that
has no long one, with three copies of itself; here none is, so that an embedding does not depend on the batch.

A timestamp embedding is the scene embedding of the second around it, each 50 ms; HTSAT itself tells times 312 ms apart.
So a second of an event task costs 20 passes of 10 s.

Weights: the repository laion/clap-htsat-fused on the Hugging Face hub, licence Apache-2.0; pytorch_model.bin (615 MB)
has SHA-256 1ed5d0215d887551ddd0a49ce7311b21429ebdf1e6a129d4e68f743357225253.
"""

from __future__ import annotations

from hear_tasks.plugins.hear_api import get_scene_embeddings, get_timestamp_embeddings, model_loader

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

HUB_NAME = "laion/clap-htsat-fused"
HUB_REVISION = "cca9e288ab447cee67d9ada1f85ddb46500f1401"

load_model = model_loader(
    "LAION-CLAP with fusion", "laion_models.load_laion_clap", hub_name=HUB_NAME, hub_revision=HUB_REVISION, fusion=True
)
