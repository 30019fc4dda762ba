"""Predictions beside those of heareval itself."""

from __future__ import annotations

import json
import os
import pathlib
import pickle
import re
import shutil
import subprocess
import sys

import pytest
import torch
from embeddings_on_disk import make_all_kinds
from heareval_here import run_heareval

from hear_tasks.cli import main
from hear_tasks.leaderboard import read_score
from hear_tasks.predict import fork_server, predict_task
from hear_tasks.report.trainings import read_trainings

KINDS = ("classes", "batches", "tags", "pitches", "loss", "events", "errors")
GRID_POINTS = 3
SCORES = "test.predicted-scores.json"


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> tuple[pathlib.Path, pathlib.Path]:
    """The same tasks predicted by heareval and by the command, on one thread."""
    folder = tmp_path_factory.mktemp("predict")
    original, ours = folder / "original", folder / "ours"
    tasks = make_all_kinds(original)
    shutil.copytree(original, ours)
    run_heareval("predictions", "--grid-points", str(GRID_POINTS), *map(str, tasks), folder=folder)
    folders = [str(ours / task.name) for task in tasks]
    assert main(["predict", "--grid-points", str(GRID_POINTS), "--threads", "1", "--jobs", "1", *folders]) == 0
    return original, ours


def read_scores(folder: pathlib.Path) -> str:
    """All scores as text, where NaN equals itself, without times, paths and addresses in memory."""
    text = re.sub(r" at 0x\w+", "", (folder / SCORES).read_text())
    text = re.sub(r'"time_in_min(\w*)": [^,\n]*', r'"time_in_min\1": 0', text)
    return re.sub(r'"embedding_path": ".*"', '"embedding_path": ""', text)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_files_are_those_of_heareval(scored, kind):
    original, ours = (read_scores(folder / f"{kind}-v1-full") for folder in scored)
    assert ours == original


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_those_of_heareval(scored, kind):
    original, ours = (folder / f"{kind}-v1-full" for folder in scored)
    files = sorted(file.name for file in original.glob("*.predictions.pkl"))
    assert files == sorted(file.name for file in ours.glob("*.predictions.pkl"))
    for name in files:
        expected, got = (pickle.loads((folder / name).read_bytes()) for folder in (original, ours))
        assert list(got) == list(expected)
        for key, value in expected.items():
            if isinstance(value, torch.Tensor):
                assert got[key].dtype == value.dtype
                assert torch.equal(got[key], value), key
            else:
                assert got[key] == value, key


@pytest.mark.parametrize("kind", KINDS)
def test_the_leaderboard_cannot_tell_them_apart(scored, kind):
    original, ours = (read_score(folder / f"{kind}-v1-full") for folder in scored)
    assert ours == original
    assert any("grid points 3" in reservation for reservation in ours.reservations)


def test_logs_tell_the_same(scored):
    original, ours = ((folder / "errors-v1-full" / "prediction.log").read_text() for folder in scored)
    hidden = [(r" at 0x\w+", ""), (r"\d{4}-\d\d-\d\d .* - \d+ - ", ""), (r"/\S*/(original|ours)/", "")]
    hidden += [(r"(DONE took )\S+", r"\1"), (r'"time_in_min(_\w+)?": [^,}]+', "")]
    for pattern, replacement in hidden:
        original, ours = re.sub(pattern, replacement, original), re.sub(pattern, replacement, ours)
    assert ours == original


@pytest.mark.parametrize("kind", ["tags", "loss", "events"])
def test_every_validation_is_kept_beside_what_heareval_keeps(scored, kind):
    folders = [folder / f"{kind}-v1-full" for folder in scored]
    scores = [json.loads((folder / SCORES).read_text()) for folder in folders]
    (of_log, told), (kept, nothing) = map(read_trainings, folders, scores)
    assert "the scores of single validations were not kept" in told
    assert nothing == ""
    facts = [
        [(each.hparams["lr"], each.score, each.epoch, each.chosen) for each in records[:GRID_POINTS]]
        for records in (of_log, kept)
    ]
    assert facts[0] == facts[1]
    assert len(of_log) == GRID_POINTS
    assert len(kept) == GRID_POINTS + len([part for part in scores[1] if part.startswith("fold")][1:])
    for record in kept:
        assert dict(record.validations)[record.epoch] == record.score
        best = min if kind == "loss" else max
        assert record.score == best(score for _, score in record.validations if score == score)  # not of NaN


def test_marks_of_finished_tasks_tell_what_heareval_tells(scored):
    original, ours = (json.loads((folder / "tags-v1-full" / "prediction-done.json").read_text()) for folder in scored)
    changing = ("time", "embedding_path")
    assert {k: ours[k] for k in original if k not in changing} == {
        k: v for k, v in original.items() if k not in changing
    }
    assert (ours["engine"], ours["grid"], ours["threads"]) == ("hear_cacophony 1", "default", 1)


def test_the_function_gives_what_the_command_gives(scored, tmp_path):
    original, ours = scored
    task = tmp_path / "batches-v1-full"
    shutil.copytree(original / task.name, task, ignore=shutil.ignore_patterns("prediction*", "*predict*"))
    told: list[str] = []
    before = torch.get_rng_state(), torch.get_num_threads()
    assert predict_task(task, grid_points=GRID_POINTS, threads=1, tell=told.append)
    assert (torch.equal(before[0], torch.get_rng_state()), before[1]) == (True, torch.get_num_threads())
    assert read_scores(task) == read_scores(ours / task.name)
    assert re.fullmatch(r"grid point 1/3: score 0\.\d+ in epoch \d of 7, .* left", told[0])
    assert not predict_task(task, grid_points=GRID_POINTS, threads=1, tell=told.append)


def test_tasks_side_by_side_give_what_one_gives(scored, tmp_path, capfd):
    original, ours = scored
    names = ["pitches-v1-full", "events-v1-full", "loss-v1-full"]
    for name in names:
        shutil.copytree(original / name, tmp_path / name, ignore=shutil.ignore_patterns("prediction*", "*predict*"))
    (tmp_path / names[0] / "test.embeddings.npy").write_bytes(b"short")
    arguments = ["--grid-points", str(GRID_POINTS), "--threads", "1", "--jobs", "2"]
    assert main(["predict", *arguments, *(str(tmp_path / name) for name in names)]) == 1
    told = capfd.readouterr().err
    assert "pitches-v1-full: FAILED:" in told
    assert "cut short: expected 1920 bytes, 40 embeddings of 12 floats, got 5" in told
    for name in names[1:]:
        assert read_scores(tmp_path / name) == read_scores(ours / name)


@pytest.mark.parametrize(("jobs", "count", "starts"), [([], 2, 2), (["--jobs", "1"], 2, 0), ([], 1, 0)])
def test_torch_is_loaded_for_the_processes_of_tasks_meanwhile(monkeypatch, tmp_path, jobs, count, starts):
    """It is asked for at the beginning, and again where the processes are."""
    started: list[bool] = []
    monkeypatch.setattr(fork_server, "start", lambda: started.append(True))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    folders = [tmp_path / f"empty{number}" for number in range(count)]
    for folder in folders:
        folder.mkdir()
    assert main(["predict", *jobs, *map(str, folders)]) != 0
    assert len(started) == starts


def test_what_is_loaded_is_not_collected():
    code = "import gc, hear_tasks.predict.preload; print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_ctrl_c_is_not_for_the_server_of_processes():
    code = """
import multiprocessing.forkserver, pathlib, signal
from hear_tasks.predict import fork_server

fork_server.start()
server = multiprocessing.forkserver._forkserver._forkserver_pid
for process in (server, "self"):
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    print(int(status.split("SigBlk:")[1].split()[0], 16) >> signal.SIGINT - 1 & 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]
