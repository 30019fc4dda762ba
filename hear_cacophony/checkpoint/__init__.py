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

__getattr__ = lazy_exports(
    __name__,
    {
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
    },
)
