"""The HEAR model object. This is the one module that imports TensorFlow."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from hear_cacophony.engine.embedding import Embedder
from hear_cacophony.frontend.audio_checks import as_batch


class HearModel(tf.Module):
    """An embedder as the HEAR API wants it: a `tf.Module` that takes and gives tensors.

    Attributes:
        sample_rate: samples per second of the audio it takes: 16000.
        scene_embedding_size: values in a scene embedding.
        timestamp_embedding_size: values in a timestamp embedding.
        embedder: the `Embedder` beneath, which needs no TensorFlow.
    """

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(name=type(embedder).__name__)
        self.embedder = embedder
        self.sample_rate = embedder.sample_rate
        self.scene_embedding_size = embedder.scene_embedding_size
        self.timestamp_embedding_size = embedder.timestamp_embedding_size

    def scene_embeddings(self, audio) -> tf.Tensor:
        """See `hear_cacophony.get_scene_embeddings`."""
        return tf.constant(self.embedder.embed_scenes(as_batch(audio)), tf.float32)

    def timestamp_embeddings(self, audio) -> tuple[tf.Tensor, tf.Tensor]:
        """See `hear_cacophony.get_timestamp_embeddings`."""
        clips = self.embedder.embed_timestamps(as_batch(audio))
        embeddings = np.stack([clip.embeddings for clip in clips])
        timestamps = np.stack([clip.timestamps for clip in clips])
        return tf.constant(embeddings, tf.float32), tf.constant(timestamps, tf.float32)
