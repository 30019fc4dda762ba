"""The whole chain, as a user runs it: hear-validator, heareval's embeddings, its predictions."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task
from heareval_here import run_heareval

from hear_tasks import cli
from hear_tasks.embed.record import RECORD_FILE

pytestmark = pytest.mark.slow

STAGES = ["audiomae", "cacophony"]


def run(*command: str, cwd: pathlib.Path) -> str:
    """What Python prints, run in `cwd`; it has to succeed."""
    env = {key: value for key, value in os.environ.items() if key != "JAX_NUMPY_DTYPE_PROMOTION"}
    env["OMP_NUM_THREADS"] = "1"
    done = subprocess.run([sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    make_scene_task(folder)
    make_tags_task(folder)
    make_event_task(folder)
    return folder


def check_printed(printed: str) -> None:
    assert "Looks good!" in printed
    assert printed.count("Warning:") == printed.count("IMPORTANT: A common bug") == 1


@pytest.mark.repeats  # the test below validates in this process, `scored` has heareval in one of its own
def test_hear_validator_in_a_process_of_its_own_finds_nothing_to_say(tiny_checkpoints, tmp_path):
    path = tiny_checkpoints["cacophony"]
    check_printed(run("-m", "hearvalidator.validate", "hear_cacophony.cacophony", "-m", str(path), cwd=tmp_path))


@pytest.fixture
def validate(monkeypatch, capfd):
    """hear-validator's command in this process, which has imported TensorFlow and torch; what it prints."""
    from hearvalidator.validate import main

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["hear-validator", *arguments])
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            monkeypatch.setattr(warnings, "showwarning", lambda text, *_: print("Warning:", text))
            main()
        return capfd.readouterr().out

    return call


@pytest.mark.parametrize("stage", STAGES)
def test_hear_validator_finds_nothing_to_say(stage, validate, tiny_checkpoints):
    check_printed(validate(f"hear_cacophony.{stage}", "-m", str(tiny_checkpoints[stage])))


def test_hear_validator_takes_the_baseline(validate):
    check_printed(validate("hear_cacophony.logmel"))


def test_hear_validator_with_untrained_weights_warns_of_them(validate):
    printed = validate("hear_cacophony", "-m", "random-tiny")
    assert "Looks good!" in printed
    assert "these weights of Cacophony are untrained" in printed


RUNNERS = {"audiomae": "heareval", "cacophony": "hear_tasks.heareval"}
"""heareval's own, and it with our patches, which is given an option, too."""

OPTIONS = {
    "audiomae": (),
    "cacophony": ("--model-options", '{"timestamp_hop_ms": 20}', "--task", "test_events-v1-full"),
}
FOLDERS = {"audiomae": "hear_cacophony.audiomae", "cacophony": "hear_cacophony.cacophony-timestamp-hop-ms=20"}
HOPS = {"audiomae": 40, "cacophony": 20}


def runner_arguments(stage: str, tasks: pathlib.Path, checkpoint: pathlib.Path) -> list[str]:
    model = [f"hear_cacophony.{stage}", "--model", str(checkpoint), *OPTIONS[stage]]
    return [*model, "--tasks-dir", str(tasks), "--embeddings-dir", "embeddings"]


@pytest.fixture(scope="module")
def of_runner(tasks, tiny_checkpoints, tmp_path_factory):
    """A folder of embeddings of stage 1 by heareval's own runner, as it is."""
    from heareval.embeddings.runner import runner

    folder = tmp_path_factory.mktemp("runner")
    with warnings.catch_warnings(), contextlib.chdir(folder):
        warnings.simplefilter("ignore")
        runner.main(runner_arguments("audiomae", tasks, tiny_checkpoints["audiomae"]), standalone_mode=False)
    return folder / "embeddings"


@pytest.fixture(scope="module")
def scored(tasks, of_runner, tiny_checkpoints, tmp_path_factory):
    """A folder of embeddings, of each stage by its runner, that heareval has scored; of stage 2 one task."""
    out = tmp_path_factory.mktemp("scored") / "embeddings"
    shutil.copytree(of_runner, out)
    embeddings = runner_arguments("cacophony", tasks, tiny_checkpoints["cacophony"])
    run_heareval("embeddings", *embeddings, folder=out.parent)
    scoring = [*map(str, sorted(out.glob("*/*-full"))), "--grid", "faster", "--grid-points", "1"]
    run_heareval("predictions", *scoring, folder=out.parent)
    return out


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below a folder but for the times that were taken."""
    files = (path for path in folder.rglob("*") if not path.is_dir() and path.name != "profile.embeddings.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_files_of_embed_are_those_of_hearevals_runner(of_runner, tasks, tiny_checkpoints, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["--model", str(tiny_checkpoints["audiomae"]), "--tasks-dir", str(tasks), "--clip-files"]
    assert cli.main(["embed", *given, "--embeddings-dir", "embeddings"]) == 0
    theirs, ours = (contents(folder / FOLDERS["audiomae"]) for folder in (of_runner, tmp_path / "embeddings"))
    assert ours.keys() - theirs.keys() == {"weights.json", *(f"{task.name}/{RECORD_FILE}" for task in tasks.iterdir())}
    assert len(theirs) > 100
    for name, expected in theirs.items():
        if name.endswith(".done.embeddings"):
            assert expected == b"" != ours[name]
        elif name.endswith(".npy"):
            skip = 128 if name.endswith(".embedding.npy") else 0
            np.testing.assert_allclose(
                np.frombuffer(ours[name][skip:], np.float32), np.frombuffer(expected[skip:], np.float32), atol=1e-5
            )
            assert ours[name][:skip] == expected[:skip]
        elif name.endswith(".pkl"):
            assert pickle.loads(ours[name]) == pickle.loads(expected), name
        else:
            assert ours[name] == expected, name


def test_folders_are_named_for_model_and_options(scored):
    assert {folder.name for folder in scored.iterdir()} == set(FOLDERS.values())


@pytest.mark.parametrize("stage", STAGES)
def test_heareval_from_audio_to_scores(stage, scored, tasks):
    model = scored / FOLDERS[stage]
    folders = sorted(folder for folder in model.iterdir() if folder.is_dir())
    assert [folder.name for folder in folders] == sorted(
        task.name for task in tasks.iterdir() if stage == "audiomae" or task.name in OPTIONS[stage]
    )
    if RUNNERS[stage] == "hear_tasks.heareval":
        assert json.loads((model / "weights.json").read_text())["weights"] == f"{stage}.ckpt"
    for folder in folders:
        scores = json.loads((folder / "test.predicted-scores.json").read_text())
        tests = [part for part in scores.values() if isinstance(part, dict) and "test_score" in part]
        assert len(tests) == (3 if folder.name.startswith("test_pitch") else 1)
        for test in tests:
            values = [value for name, value in test.items() if name.startswith("test_")]
            assert len(values) >= 3
            assert all(math.isfinite(value) for value in values)
            assert 0 <= test["test_score"] <= 1


@pytest.mark.parametrize("stage", STAGES)
def test_timestamps_of_an_event_task_are_a_hop_apart(stage, scored):
    hop = HOPS[stage]
    task = scored / FOLDERS[stage] / "test_events-v1-full"
    times = json.loads((task / "test" / "test-0.wav.timestamps.json").read_text())
    assert np.array_equal(times, 7.5 + hop * np.arange(4000 / hop))
    assert json.loads((task / "test.embedding-dimensions.json").read_text()) == [3 * 4000 // hop, 64]
