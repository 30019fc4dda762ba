"""`hear-cacophony prepare`: HEAR tasks at the rates of models, from the folders or tarballs that they are published as.

    hear-cacophony prepare SOURCE... [--rates 16000,32000,...] [--out DIR]

The audio at each rate goes beside that at 48 kHz, TASK/RATE/SPLIT/*.wav, which is only read. A run that was
killed goes on where it stopped when it is started again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.prepare.run import prepare_tasks

__getattr__ = lazy_exports(__name__, {"run": ("prepare_tasks",)})
