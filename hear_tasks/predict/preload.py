"""Importing this loads torch and what predicts with it, for good.

The garbage collector would go through torch's objects again and again while they are made, and once more when the
process ends, half a second in all.
"""

from __future__ import annotations

import gc
import importlib

gc.disable()
try:
    importlib.import_module("hear_tasks.predict.run")
    gc.freeze()
finally:
    gc.enable()
