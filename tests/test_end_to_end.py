"""The whole chain, as a user runs it: hear-validator, heareval's embeddings, its predictions."""

from __future__ import annotations

import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task

pytestmark = pytest.mark.slow

STAGES = ["audiomae", "cacophony"]


def run(*command: str, cwd: pathlib.Path) -> str:
    """What a Python module prints, run in `cwd`; it has to succeed."""
    env = {key: value for key, value in os.environ.items() if key not in ("JAX_NUMPY_DTYPE_PROMOTION", "XLA_FLAGS")}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    make_scene_task(folder)
    make_tags_task(folder)
    make_event_task(folder)
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_hear_validator_finds_nothing_to_say(stage, tiny_checkpoints, tmp_path):
    printed = run("hearvalidator.validate", f"hear_cacophony.{stage}", "-m", str(tiny_checkpoints[stage]), cwd=tmp_path)
    assert "Looks good!" in printed
    assert printed.count("Warning:") == printed.count("IMPORTANT: A common bug") == 1


def test_hear_validator_takes_the_baseline(tmp_path):
    printed = run("hearvalidator.validate", "hear_cacophony.logmel", cwd=tmp_path)
    assert "Looks good!" in printed
    assert printed.count("Warning:") == printed.count("IMPORTANT: A common bug") == 1


def test_hear_validator_with_untrained_weights_warns_of_them(tmp_path):
    printed = run("hearvalidator.validate", "hear_cacophony", "-m", "random-tiny", cwd=tmp_path)
    assert "Looks good!" in printed
    assert "these weights of Cacophony are untrained" in printed


@pytest.mark.parametrize("runner", ["heareval.embeddings.runner", "hear_tasks.heareval"])
def test_heareval_from_audio_to_scores(runner, tasks, tiny_checkpoints, tmp_path):
    stage = "cacophony" if runner.startswith("hear_c") else "audiomae"
    command = [runner] if runner.startswith("heareval") else [runner, "embeddings"]
    places = ["--tasks-dir", str(tasks), "--embeddings-dir", "embeddings"]
    run(*command, f"hear_cacophony.{stage}", "--model", str(tiny_checkpoints[stage]), *places, cwd=tmp_path)

    model = tmp_path / "embeddings" / f"hear_cacophony.{stage}"
    folders = sorted(folder for folder in model.iterdir() if folder.is_dir())
    assert [folder.name for folder in folders] == sorted(folder.name for folder in tasks.iterdir())
    if runner.startswith("hear_c"):
        assert json.loads((model / "weights.json").read_text())["weights"] == f"{stage}.ckpt"
    rows, size = json.loads((model / "test_events-v1-full" / "test.embedding-dimensions.json").read_text())
    assert (rows, size) == (300, 64), "3 clips of 4 s, an embedding each 40 ms"

    grid = ["--grid", "faster", "--grid-points", "1"]
    paths = [str(folder.relative_to(tmp_path)) for folder in folders]
    run("hear_tasks.heareval", "predictions", *paths, *grid, cwd=tmp_path)
    for folder in folders:
        scores = json.loads((folder / "test.predicted-scores.json").read_text())
        tests = [part for part in scores.values() if isinstance(part, dict) and "test_score" in part]
        assert len(tests) == (3 if folder.name.startswith("test_pitch") else 1)
        for test in tests:
            values = [value for name, value in test.items() if name.startswith("test_")]
            assert len(values) >= 3
            assert all(math.isfinite(value) for value in values)
            assert 0 <= test["test_score"] <= 1


def test_model_options_reach_the_model_and_name_the_folder(tasks, tiny_checkpoints, tmp_path):
    places = ["--tasks-dir", str(tasks), "--task", "test_events-v1-full", "--embeddings-dir", str(tmp_path / "e")]
    options = ["--model-options", '{"timestamp_hop_ms": 20}']
    model = ["--model", str(tiny_checkpoints["audiomae"])]
    run("hear_tasks.heareval", "embeddings", "hear_cacophony.audiomae", *model, *places, *options, cwd=tmp_path)
    (folder,) = (tmp_path / "e").iterdir()
    assert folder.name == "hear_cacophony.audiomae-timestamp-hop-ms=20"
    task = folder / "test_events-v1-full"
    times = json.loads((task / "test" / "test-0.wav.timestamps.json").read_text())
    assert np.array_equal(times, 7.5 + 20 * np.arange(200))
