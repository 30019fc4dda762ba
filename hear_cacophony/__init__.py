"""The two audio encoders of the Cacophony paper behind the HEAR API, and on sounds of one's own.

`load_model`, `get_scene_embeddings` and `get_timestamp_embeddings` are the HEAR API, for
whichever stage a checkpoint holds; `hear_cacophony.audiomae` and `hear_cacophony.cacophony`
offer the same for one stage each. `load_embedding_model` gives the same embeddings as NumPy
arrays and needs no TensorFlow. `load_audio_text_model` gives the whole of stage 2: clips and texts
in one space, classification by words, and captions.

The words of the package, each for one thing:

    stage       one of the two training stages of Cacophony: 1, AudioMAE, or 2, Cacophony
    clip        the audio of one file, of any length
    frame       one column of the log-mel spectrogram, every 10 ms
    patch       16 frames by 16 mel bands, what the encoder takes as one token
    time step   the 8 patches, one for each group of bands, that start at the same frame: 160 ms
    window      a piece of a clip that the encoder sees at once; a short clip is one window
    batch       windows, or texts, of similar length that go through the encoder together
    bucket      a length that batches are compiled for: in time steps, of texts in tokens
    scene       the one embedding of a whole clip
    timestamp   the centre, in milliseconds, of one of the embeddings along a clip
    hop         milliseconds from one timestamp to the next
    protocol    "hear", embeddings that depend on the clip alone, or "published", as the paper was evaluated
    options     what is chosen where something is loaded or begun; on the command line, what begins with --
    sequence    a caption while it is written; a beam search has several for each clip
    chunk       sounds of one's own whose results are kept together until the command is done
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_cacophony.checkpoint.checkpoint import CheckpointError
    from hear_cacophony.engine.audio_text import AudioTextModel
    from hear_cacophony.engine.embedding import EmbeddingModel, TimestampEmbeddings, load_embedding_model
    from hear_cacophony.engine.load_audio_text import load_audio_text_model
    from hear_cacophony.engine.zero_shot import Classification
    from hear_cacophony.frontend.read_audio import read_audio
    from hear_cacophony.hear.api import get_scene_embeddings, get_timestamp_embeddings
    from hear_cacophony.hear.model import HearModel

__version__ = "0.2.0"
__all__ = [
    "AudioTextModel",
    "CheckpointError",
    "Classification",
    "EmbeddingModel",
    "TimestampEmbeddings",
    "get_scene_embeddings",
    "get_timestamp_embeddings",
    "load_audio_text_model",
    "load_embedding_model",
    "load_model",
    "read_audio",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "checkpoint.checkpoint": ("CheckpointError",),
        "engine.audio_text": ("AudioTextModel",),
        "engine.embedding": ("EmbeddingModel", "TimestampEmbeddings", "load_embedding_model"),
        "engine.load_audio_text": ("load_audio_text_model",),
        "engine.zero_shot": ("Classification",),
        "frontend.read_audio": ("read_audio",),
        "hear.api": ("get_scene_embeddings", "get_timestamp_embeddings"),
    },
)


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
    from hear_cacophony.hear.api import load_hear_model

    return load_hear_model(None, model_file_path, options)
