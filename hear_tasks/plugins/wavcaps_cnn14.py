"""HEAR module of WavCaps-CNN14 (Mei et al. 2023, arXiv 2303.17395), 32 kHz.

WavCaps' own code is in no package. This is CNN14 from the blocks of msclap under the names of WavCaps' checkpoint, as
in its repository (XinhaoMei/WavCaps, retrieval/models): the last block pools by 2, and no fully connected layer
follows.

A scene embedding is what WavCaps' `ASE.encode_audio` gives: maximum plus mean over time of CNN14's last block through
the projection, 1024 values, scaled to length 1. It is the layer that training aligned with text, and the one that the
published evaluations of the model use. A clip shorter than 10 s is filled up with zeros, as in WavCaps'
zero_shot_classification.py. CNN14 takes longer ones whole, but training cut them to 30 s: beyond that, a clip is
covered by segments of 30 s, whose embeddings are averaged.

A timestamp embedding is the scene embedding of the second around it, each 50 ms; CNN14 itself tells times 640 ms apart.
So a second of an event task costs 20 passes of 10 s.

Weights: CNN14-BERT-PT.pt in the Google Drive folder 1pFr8IRY3E1FAtc2zjYmeuSVY3M5a-Kdj, which the repository names. No
checksum is published, and no licence for the weights; the data that they were trained on is for academic use only.
"""

from __future__ import annotations

from hear_tasks.plugins.hear_api import get_scene_embeddings, get_timestamp_embeddings, model_loader

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

SOURCE = (
    "Published: CNN14-BERT-PT.pt in the Google Drive folder 1pFr8IRY3E1FAtc2zjYmeuSVY3M5a-Kdj, which the repository "
    "XinhaoMei/WavCaps names"
)

load_model = model_loader("WavCaps-CNN14", "msclap_models.load_wavcaps_cnn14", source=SOURCE)
