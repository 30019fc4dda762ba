"""Training of both stages: data, losses, and the loop. Nothing outside this package needs it.

What it takes beyond the core is the extra `train`. How the parts fit together:

sources, captions -> pack -> shards -> batches -> objectives (masked_autoencoder, contrastive_captioner, losses)
-> step -> run (the loop) with checkpoints, metrics and card.

Parameters are held by their path in the published layout throughout; the modules of `hear_cacophony.model` get them
rearranged within the compiled step.
"""

from __future__ import annotations

from hear_cacophony.installed import check_installed

_EXTRA = ("array-record", "grain", "optax", "orbax", "tensorboardX", "matplotlib")


def require_extra() -> None:
    """Raise ModuleNotFoundError, with what to install, where the extra `train` is not installed."""
    check_installed("training needs", *_EXTRA, extra="train")
