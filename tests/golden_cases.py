"""The golden cases, and how near our outputs must come to them."""

from __future__ import annotations

import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
TONAL = ("sweep", "harmonic")
EXACT = 1e-5
TONAL_TOLERANCE = 5e-3
"""Where a band lies 1e-6 below a tone, the rounding of a float32 FFT shows."""


def load_case(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def tolerance(name: str) -> float:
    """Largest relative error of an embedding computed from the case's audio."""
    return TONAL_TOLERANCE if any(word in name for word in TONAL) else EXACT


def max_seconds(name: str) -> float | None:
    return 5 if name.endswith("_max5s") else None


def relative_error(ours, golden) -> float:
    ours, golden = np.asarray(ours, np.float64), np.asarray(golden, np.float64)
    assert ours.shape == golden.shape
    return float(np.linalg.norm(ours - golden) / np.linalg.norm(golden))
