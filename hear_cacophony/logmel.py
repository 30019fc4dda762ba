"""HEAR module of the log-mel baseline, which needs no weights.

A scene embedding is the mean and the standard deviation over time of the 128 log-mel bands, 256 values; a
timestamp embedding the same over the 160 ms around its timestamp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.engine.logmel_baseline import LogMelModel
from hear_cacophony.engine.options import Options
from hear_cacophony.hear.api import get_scene_embeddings, get_timestamp_embeddings, make_hear_model

if TYPE_CHECKING:
    from hear_cacophony.hear.model import HearModel

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]


def load_model(model_file_path: str = "", *, timestamp_hop_ms: int | None = None) -> HearModel:
    """The log-mel baseline.

    Args:
        model_file_path: nothing; other modules load a checkpoint from here.
        timestamp_hop_ms: milliseconds between timestamp embeddings: 10, 20, 40 (the default), 80 or 160.

    Raises:
        ValueError: a file is named, or the hop is impossible.
    """
    if model_file_path:
        raise ValueError(f"expected no file, as the log-mel baseline has no weights, got {model_file_path!r}")
    return make_hear_model(LogMelModel(Options(timestamp_hop_ms=timestamp_hop_ms)))
