"""Embeddings that are at fault: what is said of them, before anything is trained."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import pickle
import shutil

import numpy as np
import pytest
from embeddings_on_disk import EVENT_PARAMETERS, SIZE, make_embeddings

from hear_tasks.cli import main
from hear_tasks.predict import predict_task, run
from hear_tasks.predict.engine import Options


@pytest.fixture(scope="module")
def masters(tmp_path_factory) -> dict[str, pathlib.Path]:
    """Sound tasks, by their type."""
    folder = tmp_path_factory.mktemp("masters")
    scores = {"scores": ["event_onset_200ms_fms"], "evaluation_params": EVENT_PARAMETERS}
    return {
        "scene": make_embeddings(folder / "scene-v1-full", [30, 12, 8]),
        "event": make_embeddings(folder / "event-v1-full", [3, 2, 2], kind="event", **scores),
    }


@pytest.fixture
def task(masters, tmp_path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(masters["scene"], tmp_path / "scene-v1-full"))


@pytest.fixture
def event_task(masters, tmp_path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(masters["event"], tmp_path / "event-v1-full"))


def predict(task: pathlib.Path, **settings) -> list[str]:
    told: list[str] = []
    predict_task(task, tell=told.append, **{"grid_points": 1, "threads": 1, **settings})
    return told


def refuse(task: pathlib.Path, message: str, **settings) -> None:
    """The task is refused with this message, and nothing is left behind."""
    before = sorted(path.name for path in task.rglob("*"))
    with pytest.raises(ValueError, match=message):
        predict(task, **settings)
    assert sorted(path.name for path in task.rglob("*")) == before
    assert not list(task.parent.glob(".predicting-*"))


def change_json(file: pathlib.Path, **changes) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(task, value):
    embeddings = np.memmap(task / "valid.embeddings.npy", np.float32, "r+", shape=(12, SIZE))
    embeddings[[3, 7], 5] = value
    embeddings.flush()
    refuse(task, r"valid\.embeddings\.npy: NaN or infinity in 2 of 12 embeddings \(rows 3, 7\)")


@pytest.mark.parametrize(("cut", "state"), [(-1, "cut short"), (None, "longer than it should be")])
def test_embeddings_of_another_length(task, cut, state):
    file = task / "train.embeddings.npy"
    file.write_bytes(file.read_bytes()[:cut] if cut else file.read_bytes() + b"0000")
    refuse(task, f"train.embeddings.npy: {state}: expected 1440 bytes, 30 embeddings of 12 floats, got")


def test_labels_cut_short(task):
    file = task / "test.target-labels.pkl"
    file.write_bytes(file.read_bytes()[:-5])
    refuse(task, r"test\.target-labels\.pkl: damaged or cut short")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["a"]] * 7, "labels of 7 clips or frames, but 8 embeddings"),
        ([["a"]] * 7 + [["z"]], r"'z' \(row 7\): not in labelvocabulary.csv; are both files"),
        ([["a"]] * 7 + [["a", "b"]], r"row 7 has the labels \['a', 'b'\]; expected one"),
        ([["a"]] * 7 + [[]], r"row 7 has the labels \[\]; expected one"),
        ({"a": 1}, "expected a list of labels for each embedding"),
    ],
)
def test_labels_that_do_not_go_with_the_embeddings(task, labels, message):
    (task / "test.target-labels.pkl").write_bytes(pickle.dumps(labels))
    refuse(task, message)


@pytest.mark.parametrize(
    "name",
    [
        "labelvocabulary.csv",
        "valid.embedding-dimensions.json",
        "valid.embeddings.npy",
        "valid.target-labels.pkl",
        "task_metadata.json",
    ],
)
def test_files_that_are_missing(task, name):
    (task / name).unlink()
    refuse(task, f"{name}: not there; |no {name} in it")


def test_an_empty_split(task):
    (task / "test.embedding-dimensions.json").write_text(json.dumps([0, SIZE]))
    (task / "test.embeddings.npy").write_bytes(b"")
    (task / "test.target-labels.pkl").write_bytes(pickle.dumps([]))
    refuse(task, "test: no embeddings in it; is the split of the task empty")


def test_splits_of_two_sizes(task):
    (task / "test.embedding-dimensions.json").write_text(json.dumps([6, 16]))
    refuse(task, "embeddings of one size in all splits, got train 12, valid 12, test 16")


@pytest.mark.parametrize(
    "text", ["", "idx,name\n0,a\n", "idx,label\n0,a\n0,b\n", "idx,label\n0,a\n2,b\n", "idx,label\nx,a\n"]
)
def test_damaged_vocabularies(task, text):
    (task / "labelvocabulary.csv").write_text(text)
    refuse(task, "labelvocabulary.csv: expected")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding_type": "frame"}, "expected one of scene, event as \"embedding_type\", got 'frame'"),
        ({"split_mode": "loo"}, "new_split_kfold"),
        ({"split_mode": "new_split_kfold", "splits": ["train", "test"]}, "expected three folds or more"),
        ({"splits": ["train", "test"]}, "expected the splits train, valid and test"),
        ({"evaluation": []}, 'expected a list of names as "evaluation"'),
        ({"evaluation_params": [1]}, r'expected an object as "evaluation_params", got \[1\]'),
        (
            {"evaluation": ["segment_1s_er"]},
            "segment_1s_er: no score of tasks of type scene; expected some of top1",
        ),
        ({"evaluation_params": {"task_specific_param_grid": {"lr": 0.1}}}, "expected a list of values for lr"),
        ({"evaluation_params": {"task_specific_param_grid": {"optim": ["Adam"]}}}, "expected no values, .* for optim"),
        ({"evaluation_params": {"task_specific_param_grid": {"max_epochs": [2]}}}, "no validation in 2 epochs"),
        (
            {"evaluation_params": {"task_specific_param_grid": {"batch_size": [32, 0]}}},
            "expected 1 to inf for batch_size",
        ),
        ({"evaluation_params": {"task_specific_param_grid": {"dropout": [1.5]}}}, "expected 0 to 1 for dropout"),
        ({"use_scoring_for_early_stopping": "false"}, "expected true or false .*, got 'false'"),
    ],
)
def test_metadata(task, changes, message):
    change_json(task / "task_metadata.json", **changes)
    refuse(task, message)


def test_a_last_batch_of_one_row(tmp_path):
    task = make_embeddings(tmp_path / "one-v1-full", [33, 10, 10], grid={"batch_size": [16]})
    refuse(task, "33 rows to train on leave one for the last batch of 16, .* batch normalization")


def test_arguments(task, capsys):
    refuse(task, "--grid-points: expected 1 or more, got 0", grid_points=0)
    refuse(task, "--grid: expected one of default, fast, faster, got 'slow'", grid="slow")
    refuse(task, "--seeds: expected one of heareval, independent, got 'own'", seeds="own")
    for arguments, message in [
        (["--grid", "slow"], "--grid: expected one of default, fast, faster, got 'slow'"),
        (["--threads", "0"], "--threads: expected 1 or more, got 0"),
        (["--jobs", "0"], "--jobs: expected 1 or more, got 0"),
        (["--gpus", "[99]"], "--gpus: [99]: torch sees"),
        (["--gpus", "a"], "--gpus: expected a list of indices"),
        (["--gpus", "0"], 'such as "[0]", or "[]" for the CPU, got \'0\''),
    ]:
        assert main(["predict", str(task), *arguments]) == 1
        assert message in capsys.readouterr().err
    assert main(["predict", str(task / "none")]) == 1
    assert "none: no such folder; expected EMBEDDINGS/MODULE/TASK" in capsys.readouterr().err


def test_timestamps_in_seconds(event_task):
    file = event_task / "valid.filename-timestamps.json"
    file.write_text(json.dumps([[name, time / 1000] for name, time in json.loads(file.read_text())]))
    refuse(event_task, "the last frame is at 1.95 ms, .* are the timestamps in seconds")


def test_timestamps_of_other_clips(event_task):
    file = event_task / "test.filename-timestamps.json"
    file.write_text(json.dumps([[f"other-{name[-5:]}", time] for name, time in json.loads(file.read_text())]))
    refuse(event_task, r"other-0\.wav and 1 more: not in test\.json")
    file.write_text(json.dumps([["test-0.wav", 0.0]]))
    refuse(event_task, "timestamps of 1 frames, but 80 embeddings")
    file.write_text(json.dumps([["test-0.wav", 50.0 * frame] for frame in range(80)]))
    refuse(event_task, r"test-1\.wav: in test\.json alone")
    file.write_text(json.dumps([["test-0.wav", float("nan")]] * 80))
    refuse(event_task, r"timestamps\.json: expected finite timestamps, got nan in test-0\.wav; delete it, and embed")


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"label": "z", "start": 0.0, "end": 1.0}, r"{0}\.json: expected labels of .*, got 'z' in {0}-1\.wav"),
        ({"label": "a", "start": 0.0, "end": np.inf}, r"{0}\.json: expected finite times of events, .* in {0}-1\.wav"),
        ({"label": "a", "start": 0.0}, r"{0}\.json: expected events of {0}-1\.wav to be"),
        ({"label": "a", "start": 0.0, "end": True}, r"{0}\.json: expected events of {0}-1\.wav to be"),
        ({"label": "a", "start": 0.0, "end": 10**400}, r"{0}\.json: expected finite times of events, .* in {0}-1\.wav"),
    ],
)
def test_events_that_could_not_be_scored_in_the_end(event_task, split, event, message):
    change_json(event_task / "task_metadata.json", evaluation=["event_onset_200ms_fms", "segment_1s_er"])
    events = json.loads((event_task / f"{split}.json").read_text())[f"{split}-1.wav"]
    change_json(event_task / f"{split}.json", **{f"{split}-1.wav": [*events, event]})
    refuse(event_task, message.format(split))


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("", r"test\.json: expected a list of events of test-1\.wav, got ''"),
        (
            [{"label": "a", "start": 40.0, "end": 20.0}],
            r"test\.json: expected finite .*, the end not before the start, got 40 to 20 ms in test-1\.wav",
        ),
        ([{"label": "a", "start": float("nan"), "end": 20.0}], r"test\.json: expected finite times of events"),
    ],
)
def test_events_that_would_count_as_none_are_refused(event_task, listed, message):
    change_json(event_task / "test.json", **{"test-1.wav": listed})
    refuse(event_task, message)


def test_events_before_their_clip_are_told(event_task):
    change_json(event_task / "test.json", **{"test-1.wav": [{"label": "a", "start": -20.0, "end": 20.0}] * 2})
    told = "test.json: 2 events begin before their clips, test-1.wav; they count, as in heareval"
    assert predict(event_task)[0] == told


def test_a_task_name_with_half_a_character_ends_no_run(task):
    change_json(task / "task_metadata.json", task_name="half \ud83d")
    predict(task)
    assert "predict - half \\ud83d - " in (task / "prediction.log").read_text()


def test_events_of_unknown_labels_are_told_before_training(event_task):
    change_json(event_task / "test.json", **{"test-1.wav": [{"label": "z", "start": 0.0, "end": 1.0}]})
    assert predict(event_task)[0].startswith("test.json: 'z' in test-1.wav: not in labelvocabulary.csv; counts as")


def test_all_unknown_labels_are_told_at_once(event_task):
    events = [{"label": label, "start": 0.0, "end": 1.0} for label in ("z", "A", "z", "a ")]
    change_json(event_task / "test.json", **{"test-1.wav": events})
    assert "test.json: 'z' in test-1.wav, 'A' in test-1.wav, 'a ' in test-1.wav: not in" in predict(event_task)[0]


def test_a_test_without_a_score_is_told_before_training(event_task, tmp_path):
    task = make_embeddings(tmp_path / "positive-v1-full", [30, 12, 8], kind="multilabel", scores=["aucroc"])
    (task / "test.target-labels.pkl").write_bytes(pickle.dumps([["a"]] * 8))
    change_json(event_task / "test.json", **{"test-0.wav": [], "test-1.wav": []})
    for folder, score in ((task, "aucroc"), (event_task, "event_onset_200ms_fms")):
        told = predict(folder)
        assert told[0].startswith(f"test: whatever is predicted, {score} of its test will be no number, as in heareval")
        assert told[-1].startswith(f"{score} nan in ")


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"median_filter_ms": ["250"]}, "expected numbers as values for median_filter_ms .*, got '250'"),
        ({"median_filter_ms": [-1]}, "expected median_filter_ms of 0 or more"),
        (None, "expected lists of values by parameter of event postprocessing, got None"),
        ([], r"expected lists of values by parameter of event postprocessing, got \[\]"),
        ({"threshold": [float("nan")]}, "expected numbers as values for threshold .*, got nan"),
    ],
)
def test_postprocessing_that_is_not_possible(event_task, grid, message):
    change_json(event_task / "task_metadata.json", evaluation_params={"event_postprocessing_grid": grid})
    refuse(event_task, message)


@pytest.mark.parametrize(
    ("vocabulary", "label", "message"),
    [
        (["01", "02", "03", "04"], "02", r"'02' \(valid-1\.wav in valid\.json\): .* reads '02' there as '2'"),
        (["1", "2", "3", "4.0"], "2", r"reads '2' there as '2\.0'"),
        (["NA", "a", "b", "c"], "NA", "reads 'NA' there as"),
        (["true", "false", "TRUE", "FALSE"], "true", "reads 'true' there as 'True'"),
        (["1", "01", "2", "3"], "1", "expected 4 different labels .* reads '01' there as '1'"),
        (["a", "b", "c, d", "e"], "a", "labels with commas belong in double quotes"),
        (["a", "b", "c", "d"], "z", r"'z' \(valid-1\.wav in valid\.json\): not in labelvoc.*; are both files"),
    ],
)
def test_labels_that_pandas_and_so_heareval_reads_as_others(task, vocabulary, label, message):
    lines = [f"{number},{text}\n" for number, text in enumerate(vocabulary)]
    (task / "labelvocabulary.csv").write_text("idx,label\n" + "".join(lines))
    for split, rows in (("train", 30), ("valid", 12), ("test", 8)):
        others = ["2" if vocabulary[0].isdigit() else "a"] if split == "train" else [label]
        (task / f"{split}.target-labels.pkl").write_bytes(pickle.dumps([others] * rows))
        change_json(task / f"{split}.json", **{f"{split}-{row}.wav": others for row in range(1, rows)})
    refuse(task, message)


@pytest.mark.parametrize(("written", "label"), [("1", 1), ("1.50", 1.5), ("True", True), ("\ufeffa", "a")])
def test_labels_that_heareval_knows(tmp_path, written, label):
    """Numbers and truth values of JSON, and a file that begins with a byte order mark."""
    task = make_embeddings(tmp_path / "task-v1-full", [30, 12, 8], labels=[label])
    mark = "\ufeff" if written.startswith("\ufeff") else ""
    (task / "labelvocabulary.csv").write_text(f"{mark}idx,label\n0,{written.removeprefix(mark)}\n", encoding="utf-8")
    assert predict(task)[-1].startswith("top1_acc 1.0000 in")


def test_a_folder_that_cannot_be_written_is_told_before_training(task, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: pathlib.Path(path) != task)
    with pytest.raises(PermissionError, match=r"Permission denied: .*scene-v1-full"):
        predict(task)


def test_a_validation_without_a_score_is_said(tmp_path):
    """heareval ends the training there, and so does this."""
    task = make_embeddings(tmp_path / "positive-v1-full", [30, 12, 8], kind="multilabel", scores=["aucroc"])
    (task / "valid.target-labels.pkl").write_bytes(pickle.dumps([["a"]] * 12))
    told = predict(task)
    assert "score -inf in epoch 3 of 3" in told[0]
    assert "gave no score (NaN), which ended the training, as it does in heareval" in told[1]
    scores = json.loads((task / "test.predicted-scores.json").read_text())["test"]
    assert (scores["validation_score"], scores["epoch"]) == (-np.inf, 2)


def test_constant_embeddings_are_scored(task):
    """As heareval scores them, about as well as guessing."""
    for split, rows in (("train", 30), ("valid", 12), ("test", 8)):
        np.full((rows, SIZE), 0.5, np.float32).tofile(task / f"{split}.embeddings.npy")
    assert predict(task)[-1].startswith("top1_acc 0.2500 in")


def test_what_lies_beside_tasks_is_left_out(task, monkeypatch, capsys):
    module = task.parent
    (module / "weights.json").write_text("{}")
    (module / "notes.txt").write_text("")
    shutil.copytree(task, module / "other-v1-full")
    monkeypatch.chdir(module)
    arguments = ["--grid-points", "1", "--jobs", "1"]
    assert main(["predict", *sorted(map(str, module.iterdir())), f"../{module.name}/{task.name}", *arguments]) == 0
    told = capsys.readouterr().err
    assert f"{module}/notes.txt: a file, no folder of a task; left out" in told
    assert ("weights.json" in told, told.count(": done\n"), "already" in told) == (False, 2, False)
    assert main(["predict", str(module), *arguments]) == 0
    assert capsys.readouterr().err.count(": was done already") == 2


def test_folders_that_are_none_of_a_task(task, tmp_path, capsys):
    module = tmp_path / "embeddings" / "module"
    shutil.copytree(task, module / task.name)
    for paths, message in [
        ([module.parent], f"a folder of modules; expected that of one, such as {module}, or of a task in it"),
        ([task / "labelvocabulary.csv"], "no folder among the arguments; expected EMBEDDINGS/MODULE/TASK, or"),
    ]:
        assert main(["predict", *map(str, paths)]) == 1
        assert message in capsys.readouterr().err
    lost = module / "lost-v1-full"
    lost.mkdir()
    (lost / ".done.embeddings").touch()
    assert main(["predict", str(module), "--grid-points", "1", "--jobs", "1"]) == 1
    assert f"{lost}: no task_metadata.json in it; embed the task again" in capsys.readouterr().err
    (task.parent / "empty").mkdir()
    assert main(["predict", str(task.parent / "empty")]) == 1
    assert "empty: no task_metadata.json in it; expected the embeddings of a task" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "no room (No space left on device): "),
        (errno.EDQUOT, "delete some of your files and run the same command again"),
        (errno.EACCES, "give yourself leave to write there, or copy them elsewhere"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch, capsys, number, told):
    def fail(*_: object, **__: object) -> bool:
        raise OSError(number, os.strerror(number), str(tmp_path / ".predicting-task"))

    monkeypatch.setattr(run, "predict_folder", fail)
    assert told in run._try_task(tmp_path, Options("fast", 1))
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("path", ["task-v1-full", "../module/task-v1-full", "/embeddings/module/task-v1-full", "."])
def test_a_task_is_named_with_its_module_however_its_path_is_written(path, tmp_path, monkeypatch, capsys):
    task = tmp_path / "module" / "task-v1-full"
    task.mkdir(parents=True)
    monkeypatch.chdir(task if path == "." else task.parent)
    run._teller(pathlib.Path(path))("done")
    assert capsys.readouterr().err == "predict: module/task-v1-full: done\n"
