"""Predictions on a GPU beside heareval's own there: pytest -m gpu tests/test_gpu_predict.py"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from embeddings_on_disk import make_all_kinds

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
]

GPUS = "[0]"


def predict(folder: pathlib.Path, *command: str) -> dict[str, float]:
    """The numbers in the scores files of all kinds of task, by where they are."""
    tasks = make_all_kinds(folder)
    arguments = ["--gpus", GPUS, "--grid-points", "2", *map(str, tasks)]
    done = subprocess.run([sys.executable, "-m", *command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    numbers: dict[str, float] = {}
    for task in tasks:
        scores = json.loads((task / "test.predicted-scores.json").read_text())
        numbers |= {f"{task.name}/{name}": value for name, value in numbers_in(scores)}
    return numbers


def numbers_in(scores: dict) -> list[tuple[str, float]]:
    """Names and values of all test scores and losses, of each fold."""
    found = []
    for name, value in scores.items():
        if isinstance(value, dict):
            found += [(f"{name}/{below}", number) for below, number in numbers_in(value)]
        elif name.startswith("test_") and isinstance(value, float):
            found.append((name, value))
    return found


def test_scores_on_a_gpu_are_those_of_heareval_as_far_as_it_repeats_itself(tmp_path):
    one, other = (predict(tmp_path / name, "hear_tasks.heareval", "predictions") for name in ("one", "other"))
    ours = predict(tmp_path / "ours", "hear_tasks.cli", "predict")
    assert len(ours) > 30
    assert list(ours) == list(one) == list(other)
    spread = np.nan_to_num([abs(one[name] - other[name]) for name in one])
    np.testing.assert_array_less(np.nan_to_num([abs(ours[name] - one[name]) for name in one]), spread + 1e-12)
