"""`scripts/train_and_score.sh`: the order of its parts, what it keeps, its table and its picture."""

from __future__ import annotations

import itertools
import json
import pathlib

import numpy as np
import pytest
import soundfile

from hear_tasks.leaderboard import read_models
from hear_tasks.train_and_score import run
from hear_tasks.train_and_score.__main__ import main
from hear_tasks.train_and_score.curve import format_curve

TRAINING = ("audiomae", "--data", "shards", "--steps", "40")
SCORES = {"logmel": 0.5, "step-0000000": 0.25, "step-0000010": 0.375, "step-0000020": 0.75, "step-0000040": 0.875}


class Commands:
    """Stands for `hear-cacophony`: leaves the files that its commands would."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.failing = ""

    def __call__(self, name: str, *arguments: str) -> None:
        value = dict(itertools.pairwise(arguments))
        self.made.append(f"{name} {value.get('--stop-at', '')}".strip())
        if self.made[-1] == self.failing:
            raise run._Failed(75)
        if name == "train":
            folder = pathlib.Path(value["--out"])
            folder.mkdir(exist_ok=True)
            (folder / "AudioMAE.ckpt").write_text(value["--stop-at"])
        elif name == "embed":
            (pathlib.Path(value["--embeddings-dir"]) / "model" / "own-v1-full").mkdir(parents=True, exist_ok=True)
        elif name == "predict":
            task = pathlib.Path(arguments[0]) / "own-v1-full"
            score = SCORES[task.parent.parent.name]
            content = {"test": {"test_loss": 1.0, "test_score": score, "test_top1_acc": score}, "hparams": {}}
            (task / "test.predicted-scores.json").write_text(json.dumps(content))
            (task / "prediction-done.json").write_text(json.dumps({"time": 1.0, "grid_points": 1}))


@pytest.fixture
def commands(monkeypatch, tmp_path_factory):
    """What was called, in a folder with sounds to train on."""
    monkeypatch.chdir(tmp_path_factory.mktemp("sounds"))
    pathlib.Path("shards").mkdir()
    soundfile.write("shards/silence.wav", np.zeros(16_000), 16_000)
    fake = Commands()
    monkeypatch.setattr(run, "_command", fake)
    return fake


def test_each_step_is_trained_to_and_scored_and_shown_beside_the_baseline(commands, tmp_path, capsys):
    assert main([str(tmp_path), "--score-at", "20", "0", "--tasks-dir", "tasks", "--", *TRAINING]) == 0
    assert commands.made == ["embed", "predict", "train 0", "embed", "predict", "train 20", "embed", "predict"]
    assert [each.read_text() for each in sorted((tmp_path / "checkpoints").glob("*.ckpt"))] == ["0", "20"]
    lines = [line.split() for line in (tmp_path / "scores.txt").read_text().splitlines()]
    assert lines[0] == ["step", "own-v1-full", "mean"]
    assert lines[2:] == [["log-mel", *["0.500"] * 2], ["0", "(untrained)", *["0.250"] * 2], ["20", *["0.750"] * 2]]
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert "20             0.750" in capsys.readouterr().out


def test_the_mean_is_of_all_tasks_or_not_told(tmp_path):
    for name, scores in {"logmel": {"a-v1-full": 0.5, "b-v1-full": 0.25}, "step": {"a-v1-full": 0.75}}.items():
        for task, score in scores.items():
            folder = tmp_path / name / task
            folder.mkdir(parents=True)
            content = {"test": {"test_loss": 1.0, "test_score": score, "test_top1_acc": score}, "hparams": {}}
            (folder / "test.predicted-scores.json").write_text(json.dumps(content))
    lines = format_curve([7], read_models([tmp_path / "logmel", tmp_path / "step"])).splitlines()
    assert [line.split() for line in lines[2:]] == [["log-mel", "0.500", "0.250", "0.375"], ["7", "0.750"]]


def test_what_is_trained_is_not_trained_again_and_other_steps_are_added(commands, tmp_path):
    assert main([str(tmp_path), "--score-at", "10", "--tasks-dir", "tasks", "--", *TRAINING]) == 0
    commands.made.clear()
    assert main([str(tmp_path), "--score-at", "10", "40", "--tasks-dir", "tasks", "--", *TRAINING]) == 0
    assert [each for each in commands.made if each.startswith("train")] == ["train 40"]


def test_without_steps_there_are_four_after_the_untrained_one_and_without_tasks_those_of_the_demo(commands, tmp_path):
    SCORES["step-0000030"] = 0.8
    assert main([str(tmp_path), "--", *TRAINING]) == 0
    assert commands.made[0] == "demo-tasks"
    trained = [each for each in commands.made if each.startswith("train")]
    assert trained == ["train 0", "train 10", "train 20", "train 30", "train 40"]


def test_a_part_that_fails_ends_it_with_its_status(commands, tmp_path):
    commands.failing = "train 20"
    assert main([str(tmp_path), "--score-at", "0", "20", "--tasks-dir", "tasks", "--", *TRAINING]) == 75
    assert "0 (untrained)" in (tmp_path / "scores.txt").read_text()


@pytest.mark.parametrize(
    ("options", "training", "message"),
    [
        (["--score-at", "41"], TRAINING, "--score-at 41: expected a step from 0 to 40, the --steps of training"),
        (["--score-at", "-1"], TRAINING, "--score-at -1: expected a step from 0 to 40"),
        (["--grid-points", "0"], TRAINING, "--grid-points 0: expected at least 1"),
        ([], (*TRAINING, "--out", "x"), "expected training without --out and --stop-at"),
        ([], (*TRAINING, "--warmup", "40"), "--warmup 40: expected less than the 40 steps"),
        ([], (*TRAINING, "--keep", "0"), "--keep 0: expected at least 1"),
        ([], (*TRAINING, "--data", "elsewhere"), "elsewhere: no such file or folder"),
        ([], (*TRAINING, "--stop-at", "3"), "expected training without --out and --stop-at"),
    ],
)
def test_arguments_are_checked_before_any_work(options, training, message, commands, tmp_path, capsys):
    assert main([str(tmp_path / "out"), *options, "--", *training]) == 1
    assert message in capsys.readouterr().err
    assert not commands.made
    assert not (tmp_path / "out").exists()


def test_a_folder_keeps_to_its_training(commands, tmp_path, capsys):
    assert main([str(tmp_path), "--score-at", "0", "--tasks-dir", "tasks", "--", *TRAINING]) == 0
    assert main([str(tmp_path), "--score-at", "0", "--tasks-dir", "tasks", "--", *TRAINING, "--seed", "1"]) == 1
    assert "holds the scores of" in capsys.readouterr().err


def test_a_damaged_note_of_the_training_is_named(commands, tmp_path, capsys):
    (tmp_path / "train_and_score.json").write_text("")
    assert main([str(tmp_path), "--score-at", "0", "--tasks-dir", "tasks", "--", *TRAINING]) == 1
    assert "train_and_score.json: damaged (Expecting value" in capsys.readouterr().err
