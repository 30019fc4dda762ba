"""Checkpoints: the published Flax files and converted ones, read, checked and found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_cacophony.checkpoint.checkpoint import Checkpoint, CheckpointError, CheckpointSummary
    from hear_cacophony.checkpoint.converted_file import SUFFIX
    from hear_cacophony.checkpoint.find import (
        DRIVE_FOLDER,
        FOLDER_VARIABLE,
        PUBLISHED_FOLDER,
        default_folder,
        find_weights,
        weights_folders,
    )
    from hear_cacophony.checkpoint.load import load_checkpoint, load_summary
    from hear_cacophony.checkpoint.read import read_checkpoint, summarize_checkpoint
    from hear_cacophony.checkpoint.untrained import UNTRAINED
    from hear_cacophony.checkpoint.write import convert_checkpoint

_MODULES = {
    "checkpoint": ("Checkpoint", "CheckpointError", "CheckpointSummary"),
    "converted_file": ("SUFFIX",),
    "find": (
        "DRIVE_FOLDER",
        "FOLDER_VARIABLE",
        "PUBLISHED_FOLDER",
        "default_folder",
        "find_weights",
        "weights_folders",
    ),
    "load": ("load_checkpoint", "load_summary"),
    "read": ("read_checkpoint", "summarize_checkpoint"),
    "untrained": ("UNTRAINED",),
    "write": ("convert_checkpoint",),
}
__all__ = [
    "DRIVE_FOLDER",
    "FOLDER_VARIABLE",
    "PUBLISHED_FOLDER",
    "SUFFIX",
    "UNTRAINED",
    "Checkpoint",
    "CheckpointError",
    "CheckpointSummary",
    "convert_checkpoint",
    "default_folder",
    "find_weights",
    "load_checkpoint",
    "load_summary",
    "read_checkpoint",
    "summarize_checkpoint",
    "weights_folders",
]

__getattr__ = lazy_exports(
    __name__, {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}
)
