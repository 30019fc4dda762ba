"""Training of both stages: data, losses, and the loop. Nothing outside this package needs it.

What it takes beyond the core is the extra `train`. How the parts fit together:

sources, captions -> pack -> shards -> batches -> objectives (masked_autoencoder, contrastive_captioner, losses)
-> step -> run (the loop) with checkpoints, metrics and card.

Parameters are held by their path in the published layout throughout; the modules of `hear_cacophony.model` get them
rearranged within the compiled step.
"""

from __future__ import annotations

import importlib.util

_EXTRA = ("array_record", "grain", "optax", "orbax", "tensorboardX", "matplotlib")


def require_extra() -> None:
    """Raise ModuleNotFoundError, with what to install, where the extra `train` is not installed."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"training needs {', '.join(missing)}: pip install 'hear_cacophony[train]'", name=missing[0]
        )
