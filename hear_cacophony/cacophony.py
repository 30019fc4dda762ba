"""HEAR module of stage 2, Cacophony."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hear_cacophony.hear.api import get_scene_embeddings, get_timestamp_embeddings, load_hear_model
from hear_cacophony.model.stages import CACOPHONY

if TYPE_CHECKING:
    from hear_cacophony.hear.model import HearModel

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]


def load_model(model_file_path: str = "", **options: Any) -> HearModel:
    """Load Cacophony, as `hear_cacophony.load_model` does; a file of the other stage is an error."""
    return load_hear_model(CACOPHONY, model_file_path, options)
