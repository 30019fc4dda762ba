"""HEAR module of WavCaps-HTSAT (Mei et al. 2023, arXiv 2303.17395), 32 kHz.

WavCaps' own code is in no package. This is the HTSAT of msclap under the names of WavCaps' checkpoint; it is the same
network as in its repository (XinhaoMei/WavCaps, retrieval/models).

A scene embedding is what WavCaps' `ASE.encode_audio` gives: the latent output of HTSAT through the projection, 1024
values, scaled to length 1. It is the layer that training aligned with text, and the one that the published evaluations
of the model use. A clip shorter than 10 s is filled up with zeros, as in WavCaps' zero_shot_classification.py; of a
longer one that embeds the first 10 s, as HTSAT takes no more. Here it is covered by segments of 10 s, whose embeddings
are averaged.

A timestamp embedding is the scene embedding of the second around it, each 50 ms; HTSAT itself tells times 312 ms apart.
So a second of an event task costs 20 passes of 10 s.

Weights: HTSAT-BERT-PT.pt in the Google Drive folder 1pFr8IRY3E1FAtc2zjYmeuSVY3M5a-Kdj, which the repository names. No
checksum is published, and no licence for the weights; the data that they were trained on is for academic use only.
"""

from __future__ import annotations

from hear_tasks.plugins.hear_api import get_scene_embeddings, get_timestamp_embeddings, model_loader

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

SOURCE = (
    "Published: HTSAT-BERT-PT.pt in the Google Drive folder 1pFr8IRY3E1FAtc2zjYmeuSVY3M5a-Kdj, which the repository "
    "XinhaoMei/WavCaps names"
)

load_model = model_loader("WavCaps-HTSAT", "msclap_models.load_wavcaps_htsat", source=SOURCE)
