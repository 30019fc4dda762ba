"""HEAR module of MS-CLAP (Elizalde et al.), 44.1 kHz; the file says which of its two versions it is.

- 2022 (arXiv 2206.04769, the one in the published HEAR table): CNN14, clips of 5 s.
- 2023 (arXiv 2309.05767): HTSAT, clips of 7 s.

A scene embedding is what msclap's `CLAP.get_audio_embeddings` gives: the embedding of CNN14 or HTSAT through the
projection, 1024 values behind its layer normalisation, not scaled. It is the layer that training aligned with text,
and the one that users of the model call its audio embedding. A shorter clip is repeated to 5 or 7 s, as in msclap. Of a
longer one msclap embeds 5 or 7 s at random; here it is covered by segments of that length, whose embeddings are
averaged.

A timestamp embedding is the scene embedding of the second around it, each 50 ms; CNN14 itself tells times 232 ms apart
and HTSAT 219 ms. So a second of an event task costs 20 passes of 5 or 7 s.

Weights: the repository microsoft/msclap on the Hugging Face hub and Zenodo record 8378278, licence of the weights
MS-PL, of the code MIT. CLAP_weights_2022.pth (2.33 GB) has SHA-256
5b917c47fec10547b65cf1d9096e194896fa1c2d6180536c8524289721a4c5b8; that of CLAP_weights_2023.pth (690 MB) is not known to
us. clapcap_weights_2023.pth is a captioner and is refused.
"""

from __future__ import annotations

from hear_tasks.plugins.hear_api import get_scene_embeddings, get_timestamp_embeddings, model_loader

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

SOURCE = (
    "Published: CLAP_weights_2022.pth and CLAP_weights_2023.pth in the repository microsoft/msclap on the Hugging Face "
    "hub and in Zenodo record 8378278"
)

load_model = model_loader("MS-CLAP", "msclap_models.load_ms_clap", source=SOURCE)
