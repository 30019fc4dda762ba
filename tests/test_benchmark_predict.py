"""The benchmark of the predictions: what it makes, counts and tells."""

from __future__ import annotations

import json

import pytest
import torch

from hear_tasks.benchmark import predict
from hear_tasks.benchmark import run as benchmark
from hear_tasks.benchmark.config import SHORT, Config
from hear_tasks.benchmark.predict_cases import FULL, QUICK, make_embeddings
from hear_tasks.benchmark.product_timer import ProductTimer
from hear_tasks.benchmark.projection import EPOCHS, project_predictions
from hear_tasks.predict.split import read_split, read_split_events
from hear_tasks.predict.task import read_task


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_cases_are_sound_tasks(case, tmp_path):
    task = read_task(make_embeddings(case, tmp_path / "task"))
    rows = [len(read_split(task, name)) for name in task.metadata["splits"]]
    assert rows == [clips * (case.frames or 1) for clips in case.clips]
    assert len(task.partitions) == (4 if len(case.clips) == 4 else 1)
    if case.frames:
        assert len(read_split_events(task, "valid").targets) == case.events * case.clips[1]


@pytest.mark.repeats  # tests/test_predict.py compares both
def test_both_predictors_give_the_same_and_are_told_of(tmp_path):
    case = QUICK[0]
    figures = predict.measure_case(case, 1, 1, tmp_path)
    assert (figures["scores_equal"], figures["trainings"], figures["training_rows"]) == (True, 5, 10)
    assert figures["speed_beside_heareval"] == figures["heareval_seconds"] / figures["predict_seconds"]
    assert figures["predict_peak_bytes"] > 1e8
    assert 0 < figures["products_seconds"] < figures["predict_seconds"]
    assert figures["most_beside_heareval"] == figures["heareval_seconds"] / figures["products_seconds"]
    pair = {"case": "x", "at_once_seconds": 2.0, "one_after_the_other_seconds": 3.0, "speed_at_once": 1.5}
    lines = predict.describe_predict({"cases": {case.name: [figures]}, "side_by_side": pair, "projection_hours": 12.3})
    assert lines[-2] == ("two of x at once", "2.0 s, one after the other 3.0 s: 1.50 times as fast")
    assert lines[0][0] == "20 clips x 4 folds, 1 threads"
    assert "scores equal" in lines[1][1]
    on_gpu = {name: value for name, value in figures.items() if "products" not in name} | {"on_gpu": True}
    short = predict.describe_predict({"cases": {case.name: [on_gpu]}})
    assert [name for name, _ in short] == ["20 clips x 4 folds, GPU", ""]
    assert lines[-1] == ("all of HEAR, both stages", "12 hours, at most 150 epochs each")


def test_the_memory_of_a_process_is_its_own(tmp_path):
    """Not that of this one, which has loaded torch."""
    taken = predict.run_process(["this"], 1, tmp_path)
    assert 5e6 < taken.peak_bytes < 6e7
    assert taken.cpu_seconds > 0
    assert taken.seconds > 0
    with pytest.raises(ChildProcessError, match=r"no_such_module: status 1: .*No module named no_such_module"):
        predict.run_process(["no_such_module"], 1, tmp_path)


def test_products_are_timed_forwards_and_backwards():
    layer = torch.nn.Linear(30, 20)
    x = torch.ones(10, 30, requires_grad=True)
    with ProductTimer() as timer:
        layer(x).relu().sum().backward()
    assert timer.count == 3  # the layer itself, and the gradients of its weights and of its input
    assert timer.seconds > 0


def test_two_tasks_take_turns_and_go_side_by_side(tmp_path, monkeypatch):
    seconds = iter([5.0, 2.0, 7.0, 3.0, 6.0, 1.0])
    ran = []

    def run(arguments, threads, folder):
        ran.append(arguments[arguments.index("--jobs") + 1 :])
        assert all((folder / name / "task_metadata.json").is_file() for name in arguments[-2:])
        return predict.Process(next(seconds), 0.0, 0)

    monkeypatch.setattr(predict, "run_process", run)
    figures = predict.measure_side_by_side(QUICK[0], 3, tmp_path)
    assert ran == [["1", "one-v1-full", "two-v1-full"], ["2", "one-v1-full", "two-v1-full"]] * 3
    assert (figures["one_after_the_other_seconds"], figures["at_once_seconds"], figures["speed_at_once"]) == (6, 2, 3)


@pytest.mark.parametrize("there", [True, False])
def test_the_short_scale_takes_the_gpu_where_there_is_one(there, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(predict, "measure_case", lambda case, *_, on_gpu: (case.name, on_gpu))
    measured = predict.measure_predict(Config(["random-tiny"], "float32", SHORT, tmp_path))
    assert measured == {"cases": {"4,000 clips x 4 folds": [("4,000 clips x 4 folds", there)]}}


def test_on_a_gpu_it_is_seen_by_both_predictors(tmp_path, monkeypatch):
    ran = []

    def run(arguments, threads, folder, *, hide_gpus):
        ran.append((arguments[:2], arguments[arguments.index("--gpus") + 1], hide_gpus))
        (folder / arguments[-1] / "test.predicted-scores.json").write_text("{}")
        return predict.Process(1.0, 1.0, 1)

    monkeypatch.setattr(predict, "run_process", run)
    figures = predict.measure_case(QUICK[0], 1, 1, tmp_path, on_gpu=True)
    assert ran == [
        (each, "[0]", False) for each in (["hear_tasks.heareval", "predictions"], ["hear_tasks.cli", "predict"])
    ]
    assert "products_seconds" not in figures


def test_predictions_are_measured_where_they_are_asked_for(monkeypatch):
    sections = dict.fromkeys(benchmark.SECTIONS, (lambda config: {"skipped": "here"}, None))
    monkeypatch.setattr(benchmark, "SECTIONS", sections)
    assert "predict" not in benchmark.measure([], scale="quick")["sections"]
    assert set(benchmark.measure([], scale="quick", only=["predict"])["sections"]) == {"predict"}


def test_a_process_that_fails_is_told_of(tmp_path):
    with pytest.raises(ChildProcessError, match=r"json\.tool nothing.json: status"):
        predict.run_process(["json.tool", "nothing.json"], 1, tmp_path)


def test_the_projection_takes_the_cost_of_the_nearest_case():
    one = {"events": False, "labels": 10, "training_rows": 100, "trainings": 2, "epochs": 5, "predict_seconds": 1.0}
    hours = project_predictions({"small": [one]})  # 1 ms for each row and epoch
    assert project_predictions({"small": [{**one, "predict_seconds": 2.0}, one]}) == hours
    far = {**one, "training_rows": 100_000, "trainings": 1, "epochs": 1, "predict_seconds": 100.0}
    assert project_predictions({"small": [one, far]}) == hours
    events = {**one, "events": True, "training_rows": 1000, "trainings": 1, "epochs": 1}
    dcase, maestro = {**events, "labels": 11}, {**events, "labels": 88, "predict_seconds": 10.0}
    dcase_rows, maestro_rows = 72 * 3000 * 4 // 5, 185 * 3000 * 3 // 5
    assert project_predictions({"small": [one], "events": [dcase]}) == pytest.approx(hours)
    added = 2 * 0.009 * maestro_rows * (8 + 4) * 50 / 3600
    assert project_predictions({"small": [one], "events": [dcase, maestro]}) == pytest.approx(hours + added)
    added += 2 * 0.009 * dcase_rows * 8 * EPOCHS / 3600
    assert project_predictions({"small": [one], "events": [maestro]}) == pytest.approx(hours + added)
    assert json.dumps(hours)


def test_event_cases_are_trained_like_the_tasks_that_they_are_named_for():
    dcase, maestro = (case.metadata for case in FULL if case.frames)
    assert (dcase["use_scoring_for_early_stopping"], maestro["use_scoring_for_early_stopping"]) == (True, False)
    assert maestro["evaluation_params"] == {
        "task_specific_param_grid": {"max_epochs": [6], "check_val_every_n_epoch": [1]},
        "event_postprocessing_grid": {"median_filter_ms": (150,), "min_duration": (50,)},
    }
    assert dcase["evaluation_params"]["task_specific_param_grid"]["check_val_every_n_epoch"] == [10]
