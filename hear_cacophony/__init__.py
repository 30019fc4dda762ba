"""The two audio encoders of the Cacophony paper behind the HEAR API.

`load_model`, `get_scene_embeddings` and `get_timestamp_embeddings` are the HEAR API, for
whichever stage a checkpoint holds; `hear_cacophony.audiomae` and `hear_cacophony.cacophony`
offer the same for one stage each. `load_embedding_model` gives the same embeddings as NumPy
arrays and needs no TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hear_cacophony.checkpoint.read import CheckpointError
from hear_cacophony.engine.embedding import EmbeddingModel, TimestampEmbeddings, load_embedding_model
from hear_cacophony.hear.api import get_scene_embeddings, get_timestamp_embeddings, load_hear_model

if TYPE_CHECKING:
    from hear_cacophony.hear.model import HearModel

__version__ = "0.1.0"
__all__ = [
    "CheckpointError",
    "EmbeddingModel",
    "TimestampEmbeddings",
    "get_scene_embeddings",
    "get_timestamp_embeddings",
    "load_embedding_model",
    "load_model",
]


def load_model(model_file_path: str = "", **options: Any) -> HearModel:
    """Load an encoder behind the HEAR API, whichever stage the file holds.

    Args:
        model_file_path: a published checkpoint, a converted `.safetensors` file, "random" or
            "random-tiny" (untrained weights; of stage 2 in this module), or "" for the
            published files in the folder that HEAR_CACOPHONY_WEIGHTS names, if it is set, then
            in the user's cache folder.
        options: `protocol` ("hear" or "published"), `timestamp_hop_ms` (40 unless given; 10,
            20, 40, 80 or 160), `max_seconds` (published protocol only).

    Returns:
        A `tf.Module` with `sample_rate`, `scene_embedding_size`, `timestamp_embedding_size`.

    Raises:
        FileNotFoundError: no such file, or no weights on this machine.
        CheckpointError: the file is damaged, or no checkpoint of this stage.
        TypeError, ValueError: an unknown option, or an impossible value.
    """
    return load_hear_model(None, model_file_path, options)
