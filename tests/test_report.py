"""`hear-cacophony report` beside the files that it reads; and its pages in a browser."""

from __future__ import annotations

import json
import pathlib
import pickle
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from predictions_on_disk import write_audio, write_predictions, write_task_files

from hear_tasks.cli import main
from hear_tasks.predict import average_precisions
from hear_tasks.report import Settings, write_report
from hear_tasks.report.predicted import read_predicted
from hear_tasks.report.run import _page_names
from hear_tasks.report.tensor_pickle import DamagedPickle, read_tensor_pickle
from hear_tasks.report.trainings import read_trainings

LABELS = ["</script><script>alert(1)</script>", 'it\'s <b>"q"</b>\n🐕', "x" * 300, "none has it"]
CLIPS = {
    "train": {"a.wav": [LABELS[0]], "b.wav": [LABELS[1]]},
    "valid": {"c.wav": [LABELS[0]]},
    "test": {
        "<img src=x onerror=alert(1)>.wav": [LABELS[0]],
        "line\nbreak.wav": [LABELS[1]],
        "javascript:alert(1).wav": [LABELS[1]],
        "four.wav": [LABELS[2]],
    },
}
PROBABILITIES = {
    "<img src=x onerror=alert(1)>.wav": [0.1, 0.7, 0.15, 0.05],
    "line\nbreak.wav": [0.2, 0.6, 0.1, 0.1],
    "javascript:alert(1).wav": [0.5, 0.3, 0.1, 0.1],
    "four.wav": [0.05, 0.05, 0.85, 0.05],
}
OTHER = {name: [p[1], p[0], p[2], p[3]] for name, p in PROBABILITIES.items()}


def cells_of(report: pathlib.Path, page: str) -> dict[str, tuple[dict, list]]:
    """The tables of a page by their captions: what is told of each, and its rows."""
    text = (report / f"{page}.html").read_text(encoding="utf-8")
    found = {}
    for data in re.findall(r'<section class="table".*?json">(.*?)</script>', text, re.DOTALL):
        about = json.loads(data)
        rows = []
        for chunk in about["chunks"]:
            script = (report / chunk).read_text(encoding="ascii")
            rows += json.loads(re.fullmatch(r"hearPages\.take\(.*?,\d+,(\[.*\])\);\n", script, re.DOTALL)[1])
        found[about["name"]] = (about, rows)
    return found


def table(report: pathlib.Path, page: str, head: str) -> tuple[list[str], list[list[Any]]]:
    """The heads and rows of the first table whose heads hold this."""
    for about, rows in cells_of(report, page).values():
        heads = [column["title"] for column in about["columns"]]
        if any(head in each for each in heads):
            return heads, rows
    raise AssertionError(f"no table has a head with {head!r}")


@pytest.fixture
def scene(tmp_path) -> tuple[pathlib.Path, pathlib.Path]:
    """Two models' predictions of a multiclass task, and the task."""
    for model, values, score in (("A", PROBABILITIES, 0.5), ("B", OTHER, 0.75)):
        scores = {"test": {"test_score": score, "test_top1_acc": score}}
        write_predictions(tmp_path / "emb" / model / "mine-v1-full", CLIPS, LABELS, {"test": values}, scores)
    write_task_files(tmp_path / "tasks" / "mine-v1-full", CLIPS, LABELS)
    write_audio(tmp_path / "tasks" / "mine-v1-full", CLIPS)
    return tmp_path / "emb", tmp_path / "tasks"


def test_a_multiclass_task(scene, tmp_path):
    embeddings, tasks = scene
    assert write_report([embeddings], tmp_path / "out", Settings(tasks), tell=lambda message: None)
    out = tmp_path / "out"
    heads, rows = table(out, "mine-v1-full", "tested on")
    assert [(row[0], row[1], row[heads.index("accuracy")], row[heads.index("in epoch")]) for row in rows] == [
        ("A", "test", 0.5, 5),
        ("B", "test", 0.75, 5),
    ]
    heads, rows = table(out, "mine-v1-full", "A: accuracy")
    assert heads == ["label", "clips", "A: accuracy", "A: precision", "B: accuracy", "B: precision"]
    assert [row[1:4] for row in rows] == [[1, 0, 0], [2, 0.5, 0.5], [1, 1, 1], [0, None, None]]
    heads, rows = table(out, "mine-v1-full", "A: predicted")
    losses = {name: -np.log(values[own]) for name, values, own in _own(PROBABILITIES)}
    others = {name: -np.log(values[own]) for name, values, own in _own(OTHER)}
    ordered = sorted(losses, key=lambda name: -(losses[name] + others[name]))
    assert [row[0] for row in rows] == [f"test/{name}" for name in ordered]
    first = dict(zip(heads, rows[[row[0] for row in rows].index("test/javascript:alert(1).wav")], strict=True))
    assert first["A: predicted"] == [[0, 0.5], [1, 0.3], [2, 0.1]]
    assert first["labels"] == [1]
    assert first["right"] == "B"
    assert first["loss"] == pytest.approx(others["javascript:alert(1).wav"], abs=1e-4)
    assert first["sound"] == ["test/javascript%3Aalert%281%29.wav", first["sound"][1], 0.2]
    assert (out / first["sound"][1]).read_bytes()[8:12] == b"WEBP"
    heads, rows = table(out, "mine-v1-full", "A wrong")
    assert rows == _against()
    text = (out / "mine-v1-full.html").read_text(encoding="utf-8")
    plot = json.loads(re.search(r'<figure.*?json">(.*?)</script>', text, re.DOTALL)[1])
    assert plot["data"][0]["customdata"] == [[0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert "alert(1)" in text
    assert "<img" not in text
    assert LABELS[0] not in text


def _own(probabilities):
    return [(name, values, LABELS.index(CLIPS["test"][name][0])) for name, values in probabilities.items()]


def _against():
    right = [{name for name, values, own in _own(each) if np.argmax(values) == own} for each in (PROBABILITIES, OTHER)]
    return [["A", 0, len(right[0] - right[1])], ["B", len(right[1] - right[0]), 0]]


def test_a_multilabel_task_with_folds(tmp_path):
    labels = ["a", "b", "c"]
    random = np.random.default_rng(0)
    splits = {
        f"fold{i:02d}": {f"{i}-{k}.wav": [x for x in "ab" if random.random() < 0.5] for k in range(8)} for i in range(3)
    }
    values = {split: {clip: random.random(3).round(3).tolist() for clip in clips} for split, clips in splits.items()}
    kind = {"prediction_type": "multilabel", "evaluation": ["mAP"]}
    scores = {split: {"test_score": 0.3, "test_mAP": 0.3} for split in splits}
    write_predictions(tmp_path / "emb" / "M" / "tags-v1-full", splits, labels, values, scores, **kind)
    assert write_report([tmp_path / "emb" / "M"], tmp_path / "out", Settings(), tell=lambda message: None)
    heads, rows = table(tmp_path / "out", "tags-v1-full", "average precision")
    counts = {label: sum(label in own for clips in splits.values() for own in clips.values()) for label in labels}
    assert [row[:2] for row in rows] == [[label, counts[label]] for label in labels]
    expected = [
        average_precisions(
            np.array(list(values[split].values()), np.float32),
            np.array([[label in own for label in labels] for own in clips.values()], np.float32),
        )
        for split, clips in splits.items()
    ]
    assert [row[2] for row in rows[:2]] == pytest.approx(np.mean(expected, axis=0)[:2].tolist())
    assert rows[2][2] is None, "a label without a clip"
    heads, rows = table(tmp_path / "out", "tags-v1-full", "M: predicted")
    row = dict(zip(heads, rows[0], strict=True))
    split, clip = row["clip"].split("/")
    own = np.array([label in splits[split][clip] for label in labels])
    p = np.array(values[split][clip])
    assert row["loss"] == pytest.approx(-np.where(own, np.log(p), np.log(1 - p)).mean(), abs=1e-3)
    assert row["sound"] is None
    text = (tmp_path / "out" / "tags-v1-full.html").read_text()
    assert "No --tasks-dir was given" in text
    assert "only the chosen hyperparameters are known" in text
    heads, rows = table(tmp_path / "out", "tags-v1-full", "tested on")
    assert [row[1] for row in rows] == ["mean of 3", "fold00", "fold01", "fold02"]


def events(*times: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [{"label": label, "start": start, "end": end} for label, start, end in times]


def test_an_event_task(tmp_path, monkeypatch):
    splits = {
        "train": {"t.wav": []},
        "valid": {"v.wav": []},
        "test": {"x.wav": events(("a", 100, 200), ("b", 500, 600)), "y.wav": events(("a", 0, 100)), "z.wav": []},
    }
    predicted = {"x.wav": events(("a", 110, 150)), "y.wav": events(("a", 20, 90), ("c", 5, 9)), "z.wav": []}
    kind = {"embedding_type": "event", "prediction_type": "multilabel", "evaluation": ["event_onset_200ms_fms"]}
    scores = {"test": {"test_score": 0.6, "test_event_onset_200ms_fms": 0.6}}
    folder = tmp_path / "emb" / "M" / "sed-v1-full"
    write_predictions(folder, splits, ["a", "b", "c"], {}, scores, {"test": predicted}, **kind)
    write_task_files(tmp_path / "tasks" / "sed-v1-full", splits, ["a", "b", "c"], **kind)
    write_audio(tmp_path / "tasks" / "sed-v1-full", splits, 0.7)
    assert write_report([tmp_path / "emb"], tmp_path / "out", Settings(tmp_path / "tasks"), tell=lambda message: None)
    _, rows = table(tmp_path / "out", "sed-v1-full", "M: score")
    assert rows == [["a", 2, 2, 1], ["b", 1, 0, 0], ["c", 0, 1, None]]
    heads, rows = table(tmp_path / "out", "sed-v1-full", "sound")
    assert heads == ["clip", "sound", "events", "predicted", "onset F1, 200 ms"]
    assert [(row[0], *row[2:]) for row in rows] == [
        ("test/x.wav", 2, 1, pytest.approx(2 / 3)),
        ("test/y.wav", 1, 2, pytest.approx(2 / 3)),
        ("test/z.wav", 0, 0, None),
    ]
    time_lines = [
        {
            "labels": ["a", "b"],
            "reference": [[0, 0.1, 0.2], [1, 0.5, 0.6]],
            "predicted": [[0, 0.11, 0.15]],
        },
        {"labels": ["a", "c"], "reference": [[0, 0, 0.1]], "predicted": [[0, 0.02, 0.09], [1, 0.005, 0.009]]},
        {"labels": [], "reference": [], "predicted": []},
    ]
    assert [row[1][3] for row in rows] == time_lines

    def sounds_of(settings: Settings) -> tuple[list[list[Any]], str]:
        assert write_report([tmp_path / "emb"], tmp_path / "out", settings, tell=lambda message: None)
        _, rows = table(tmp_path / "out", "sed-v1-full", "sound")
        return [row[1] for row in rows], (tmp_path / "out" / "sed-v1-full.html").read_text(encoding="utf-8")

    # Beyond the pictures, without audio that can be copied, and without any: the time line is there.
    left_out = "a spectrogram for the 1 most wrong, and left out of the others"
    for audio in ("link", "copy"):
        cells, text = sounds_of(Settings(tmp_path / "tasks", audio, pictures=1))
        assert left_out in text
        assert [bool(cell[1]) for cell in cells] == [True, False, False]
        assert [bool(cell[0]) for cell in cells] == [True, audio == "link", audio == "link"]
        assert [cell[2:] for cell in cells] == [[0.7, line] for line in time_lines], "of the length of its sound"
    cells, _ = sounds_of(Settings())
    assert cells == [["", "", 0, line] for line in time_lines]
    monkeypatch.setattr("hear_tasks.report.event_blocks._MOST_EVENTS", 5)
    cells, text = sounds_of(Settings(tmp_path / "tasks", pictures=0))
    assert [len(cell) for cell in cells] == [4, 3, 3]
    assert "a time line for the 1 most wrong, as a page holds no more events" in text


@pytest.mark.parametrize(("metric", "collar"), [("event_onset_200ms_fms", 200), ("event_onset_50ms_fms", 50)])
def test_events_that_were_missed_made_up_andfound_events(tmp_path, metric, collar):
    random = np.random.default_rng(collar)

    def some(least: int) -> list[dict[str, Any]]:
        starts = 30 * random.integers(0, 60, random.integers(least, 7))  # no two are a collar apart
        return events(*((str(random.choice(list("abc"))), float(start), float(start + 90)) for start in starts))

    splits = {f"fold{i:02d}": {f"{i}-{k}.wav": some(k % 2) for k in range(8)} for i in range(3)}
    predicted = {fold: {clip: some(1 - k % 2) for k, clip in enumerate(clips)} for fold, clips in splits.items()}
    splits["fold00"] |= {"missed.wav": events(("b", 0, 9)), "made up.wav": [], "silent.wav": []}
    predicted["fold00"] |= {"missed.wav": [], "made up.wav": events(("a", 0, 9)), "silent.wav": []}
    kind = {"embedding_type": "event", "prediction_type": "multilabel", "evaluation": [metric]}
    scores = {fold: {"test_score": 0.6, f"test_{metric}": 0.6} for fold in splits}
    write_predictions(tmp_path / "emb" / "M" / "sed-v1-full", splits, ["a", "b", "c"], {}, scores, predicted, **kind)
    assert write_report([tmp_path / "emb"], tmp_path / "out", Settings(), tell=lambda message: None)

    def counts(fold: str, clips: Iterable[str], label: str) -> np.ndarray:
        """Events that were found, that are there, and that were predicted."""
        pairs = [
            [sorted(e["start"] for e in kept[fold][clip] if e["label"] == label) for kept in (splits, predicted)]
            for clip in clips
        ]
        return np.sum([(found_events(*pair, collar), *map(len, pair)) for pair in pairs], axis=0)

    def f_measure(found: int, there: int, told: int) -> float | None:
        return 2 * found / (there + told) if there + told else None

    _, rows = table(tmp_path / "out", "sed-v1-full", "M: score")
    for label, there, told, score in rows:
        by_fold = [counts(fold, splits[fold], label) for fold in splits]
        assert [there, told] == np.sum(by_fold, axis=0)[1:].tolist()
        assert score == pytest.approx(np.mean([f_measure(*each) for each in by_fold if each[1]]))
    _, rows = table(tmp_path / "out", "sed-v1-full", "sound")
    expected = {
        f"{fold}/{clip}": np.sum([counts(fold, [clip], label) for label in "abc"], axis=0).tolist()
        for fold, clips in splits.items()
        for clip in clips
    }
    assert {row[0]: row[2:] for row in rows} == {
        name: [there, told, pytest.approx(f_measure(found, there, told))]
        for name, (found, there, told) in expected.items()
    }
    assert [row[4] for row in rows] == [*sorted(row[4] for row in rows if row[4] is not None), None]
    assert [row[4] for row in rows if "m" in row[0]] == [0, 0], "all wrong, and so among the first"
    assert rows[-1][0] == "fold00/silent.wav"


def test_event_clips_that_models_differ_on(tmp_path):
    test = {f"{i}.wav": events(("a", 0, 100), ("b", 500, 600)) for i in range(3)}
    splits = {"train": {"t.wav": []}, "valid": {"v.wav": []}, "test": {**test, "silent.wav": []}}
    kind = {"embedding_type": "event", "prediction_type": "multilabel", "evaluation": ["event_onset_200ms_fms"]}
    scores = {"test": {"test_score": 0.5, "test_event_onset_200ms_fms": 0.5}}
    for model, missed in (("M", (0, 2)), ("N", (1, 2))):
        found = {**splits["test"], **{f"{i}.wav": events(("a", 0, 9))[: i != 1] for i in missed}}
        folder = tmp_path / "emb" / model / "sed-v1-full"
        write_predictions(folder, splits, ["a", "b"], {}, scores, {"test": found}, **kind)
    assert write_report([tmp_path / "emb"], tmp_path / "out", Settings(), tell=lambda message: None)
    heads, rows = table(tmp_path / "out", "sed-v1-full", "difference")
    assert heads[2:] == ["M: onset F1, 200 ms", "N: onset F1, 200 ms", "difference"]
    third = pytest.approx(1 / 3)
    assert rows == [["test/1.wav", None, 1, 0, 1], ["test/0.wav", None, pytest.approx(2 / 3), 1, third]]


def test_clips_of_an_error_rate_are_the_most_wrong_first(tmp_path):
    test = {"right.wav": events(("a", 0, 900)), "half.wav": events(("a", 0, 1900)), "missed.wav": events(("b", 0, 9))}
    splits = {"train": {"t.wav": []}, "valid": {"v.wav": []}, "test": {**test, "made up.wav": [], "silent.wav": []}}
    predicted = {**splits["test"], "half.wav": events(("a", 0, 900)), "missed.wav": []}
    predicted["made up.wav"] = events(("a", 0, 9))
    kind = {"embedding_type": "event", "prediction_type": "multilabel", "evaluation": ["segment_1s_er"]}
    scores = {"test": {"test_score": 0.5, "test_segment_1s_er": 0.5}}
    folder = tmp_path / "emb" / "M" / "sed-v1-full"
    write_predictions(folder, splits, ["a", "b"], {}, scores, {"test": predicted}, **kind)
    assert write_report([tmp_path / "emb"], tmp_path / "out", Settings(), tell=lambda message: None)
    _, rows = table(tmp_path / "out", "sed-v1-full", "sound")
    expected = [("made up", None), ("missed", 1), ("half", 0.5), ("right", 0), ("silent", None)]
    assert [(row[0], row[4]) for row in rows] == [
        (f"test/{name}.wav", None if score is None else pytest.approx(score)) for name, score in expected
    ]
    _, rows = table(tmp_path / "out", "sed-v1-full", "M: score")
    assert rows == [["a", 2, 3, pytest.approx(2 / 3)], ["b", 1, 0, pytest.approx(1)]], (
        "an insertion and a deletion of 3"
    )


def found_events(starts: list[float], predicted: list[float], collar: float) -> int:
    """How many events have a prediction of their own within the collar: the earliest takes the earliest."""
    left, found = list(predicted), 0
    for start in starts:
        near = [each for each in left if abs(each - start) <= collar]
        if near:
            left.remove(near[0])
            found += 1
    return found


def test_grid_points_from_our_file_and_from_the_log(scene, tmp_path):
    embeddings, tasks = scene
    folder = embeddings / "A" / "mine-v1-full"
    scores = json.loads((folder / "test.predicted-scores.json").read_text())
    points = [{"lr": 0.1, "hidden_layers": 1}, {"lr": 0.001, "hidden_layers": 1}]
    log = [
        "predict - mine - x - 1 - Computing predictions for mine-v1-full",
        *(
            f"predict - mine - x - 1 -  result: {json.dumps([score, 4, point, []])}"
            for score, point in zip((0.2, 0.6), points, strict=True)
        ),
        f"predict - mine - x - 1 - Final Test Results: {json.dumps(scores)}",
    ]
    (folder / "prediction.log").write_text("\n".join(log) + "\n")
    records, gap = read_trainings(folder, scores)
    assert [(record.score, record.epoch, record.chosen) for record in records] == [(0.2, 4, False), (0.6, 4, True)]
    assert "the scores of single validations were not kept" in gap
    partition = {"train": ["train"], "valid": ["valid"], "test": ["test"]}
    rows = [
        {
            "partition": partition,
            "hparams": point,
            "validation_score": score,
            "epoch": 4,
            "time_in_min": 1,
            "validations": [[1, float("nan")], [4, score]],
        }
        for score, point in zip((0.2, 0.6), points, strict=True)
    ]
    (folder / "prediction-trainings.json").write_text(json.dumps({"trainings": rows}))
    records, gap = read_trainings(folder, scores)
    assert gap == ""
    assert [record.chosen for record in records] == [False, True]
    assert records[1].validations[1] == (4, 0.6)
    assert write_report([embeddings / "A"], tmp_path / "out", Settings(tasks), tell=lambda message: None)
    _, shown = table(tmp_path / "out", "mine-v1-full", "for the test on")
    assert [row[2:] for row in shown] == [[None, 0.2, 5, "0.1"], ["chosen", 0.6, 5, "0.001"]]
    # What is damaged, or of another run, is not taken.
    (folder / "prediction-trainings.json").write_text(
        json.dumps({"trainings": [{**rows[0], "partition": {"test": []}}]})
    )
    assert "the scores of single validations were not kept" in read_trainings(folder, scores)[1]
    scores["test"]["validation_score"] = 0.7
    assert read_trainings(folder, scores)[1].startswith("no prediction.log of these scores")


def test_what_is_missing_is_said(scene, tmp_path):
    embeddings, tasks = scene
    told: list[str] = []
    (embeddings / "A" / "mine-v1-full" / "test.predictions.pkl").unlink()
    broken = embeddings / "B" / "mine-v1-full" / "test.predictions.pkl"
    whole = broken.read_bytes()
    failed = embeddings / "B" / "other-v1-full"
    write_task_files(failed, CLIPS, LABELS)
    (failed / "prediction.log").write_text("began")
    for content, message in (
        (whole[:100], "damaged, cut short"),
        (pickle.dumps({"target": 1}), "no predictions as heareval keeps them"),
        (pickle.dumps(pathlib.Path("x")), "it names pathlib"),
    ):
        broken.write_bytes(content)
        assert not write_report([embeddings], tmp_path / "out", Settings(tasks), tell=told.append)
        text = (tmp_path / "out" / "mine-v1-full.html").read_text(encoding="utf-8")
        assert message in text
        assert "no test.predictions.pkl in" in text
        assert "predictions failed or have not finished" in (tmp_path / "out" / "index.html").read_text()
    assert any("replaced" in each for each in told)
    broken.write_bytes(whole)
    audio = tasks / "mine-v1-full" / "16000" / "test"
    (audio / "four.wav").unlink()
    (audio / "line\nbreak.wav").write_bytes(b"no audio")
    write_report([embeddings], tmp_path / "out", Settings(tasks), tell=told.append)
    text = (tmp_path / "out" / "mine-v1-full.html").read_text(encoding="utf-8")
    assert "no audio of 1 clips, such as test/four.wav; has it moved?" in text
    assert "line\\nbreak.wav" in text
    (tasks / "mine-v1-full").rename(tasks / "elsewhere")
    write_report([embeddings], tmp_path / "out", Settings(tasks), tell=told.append)
    assert "no mine-v1-full in it, so clips are without audio" in (tmp_path / "out" / "mine-v1-full.html").read_text()


def test_rows_of_other_clips_are_not_taken_for_these(scene):
    embeddings, tasks = scene
    folder = embeddings / "A" / "mine-v1-full"
    clips = json.loads((folder / "test.json").read_text())
    swapped = dict(zip(clips, [*list(clips.values())[1:], next(iter(clips.values()))], strict=True))
    (folder / "test.json").write_text(json.dumps(swapped))
    found = read_predicted(folder, tasks / "mine-v1-full")
    assert found.tests[0].clips == ()
    assert "its 4 rows are not those of the 4 clips" in found.gaps[0]
    (folder / "test.json").write_text(json.dumps(dict.fromkeys(clips, True)))
    assert "expected a list of labels for each clip" in read_predicted(folder, None).gaps[0]
    (folder / "labelvocabulary.csv").write_text("damaged")
    assert "labels are shown by their numbers" in read_predicted(folder, None).gaps[0]


def test_what_cannot_be_done_is_told_before_any_work(scene, tmp_path, capsys):
    embeddings, tasks = scene
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    empty = tmp_path / "unpredicted" / "M" / "mine-v1-full"
    write_task_files(empty, CLIPS, LABELS)
    (empty / ".done.embeddings").touch()
    for arguments, message in (
        ([str(embeddings), "--out", str(tmp_path / "full")], "holds something else"),
        (
            [str(embeddings), "--out", str(tmp_path / "o"), "--tasks-dir", "nowhere"],
            "--tasks-dir nowhere: no such folder",
        ),
        ([str(embeddings), "--out", str(tmp_path / "o"), "--pictures", "-1"], "expected 0 or more"),
        ([str(embeddings), "--out", str(tmp_path / "o"), "--audio", "move"], "expected link or copy"),
        ([str(tmp_path / "unpredicted"), "--out", str(tmp_path / "o")], "run the predictions first"),
        ([str(tmp_path / "nothing"), "--out", str(tmp_path / "o")], "no such folder"),
    ):
        assert main(["report", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"
    assert main(["report", str(embeddings), "--out", str(tmp_path / "o"), "--tasks-dir", str(tasks)]) == 0


def test_pickles_do_nothing_but_hold_predictions(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'run')!r}, 'w')",))

    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"target": Evil()}))
    with pytest.raises(DamagedPickle, match=r"it names builtins\.exec"):
        read_tensor_pickle(tmp_path / "evil.pkl")
    assert not (tmp_path / "run").exists()


def test_many_clips_are_listed_as_far_as_a_page_holds_them(tmp_path, monkeypatch):
    monkeypatch.setattr("hear_tasks.report.clip_blocks._MOST_CELLS", 10)
    clips = {f"{i}.wav": ["ab"[i % 2]] for i in range(30)}
    splits = {"train": {"t.wav": ["a"]}, "valid": {"v.wav": ["b"]}, "test": clips}
    values = {"test": {clip: [0.9, 0.1] for clip in clips}}
    scores = {"test": {"test_score": 0.5, "test_top1_acc": 0.5}}
    write_predictions(tmp_path / "emb" / "M" / "x-v1-full", splits, ["a", "b"], values, scores)
    write_report([tmp_path / "emb"], tmp_path / "out", Settings(), tell=lambda message: None)
    _, rows = table(tmp_path / "out", "x-v1-full", "M: predicted")
    assert len(rows) == 10
    assert {row[3] for row in rows} == {"wrong"}
    text = (tmp_path / "out" / "x-v1-full.html").read_text()
    assert "The 10 most wrong of 30 clips are listed" in text
    lines = (tmp_path / "out" / "files" / "data" / "x-v1-full-clips.csv").read_text().splitlines()
    assert len(lines) == 31
    assert lines[1].split(",")[1:] == ["b", "a", "0.100000", "2.302585", "wrong"]


def test_one_clip_equal_ones_and_probabilities_that_are_no_numbers(tmp_path):
    nan = float("nan")
    for name, values in {
        "one": {"1.wav": [0.4, 0.6]},
        "equal": {"1.wav": [0.5, 0.5], "2.wav": [0.5, 0.5]},
        "nan": {"1.wav": [nan, nan], "2.wav": [0.9, 0.1], "3.wav": [0.2, 0.8]},
    }.items():
        clips = {clip: ["a"] for clip in values}
        splits = {"train": {"t.wav": ["a"]}, "valid": {"v.wav": ["b"]}, "test": clips}
        scores = {"test": {"test_score": 0.5, "test_top1_acc": 0.5}}
        for model in ("M", "N"):
            folder = tmp_path / "emb" / model / f"{name}-v1-full"
            write_predictions(folder, splits, ["a", "b"], {"test": values}, scores)
    write_report([tmp_path / "emb"], tmp_path / "out", Settings(pictures=0), tell=lambda message: None)
    _, rows = table(tmp_path / "out", "one-v1-full", "M: predicted")
    assert [(row[0], row[3], row[4]) for row in rows] == [("test/1.wav", "none", [[1, 0.6], [0, 0.4]])]
    _, rows = table(tmp_path / "out", "equal-v1-full", "M: predicted")
    assert [row[3:6] for row in rows] == [["all", [[0, 0.5], [1, 0.5]], 0.5]] * 2
    _, rows = table(tmp_path / "out", "nan-v1-full", "M: predicted")
    assert [row[0] for row in rows] == ["test/3.wav", "test/2.wav"]
    _, rows = table(tmp_path / "out", "nan-v1-full", "M: accuracy")
    assert rows[0][:3] == ["a", 2, 0.5]
    assert "NaN or infinity in 1 of 3 rows" in (tmp_path / "out" / "nan-v1-full.html").read_text()


def test_models_that_do_not_go_together_are_told(scene, tmp_path):
    embeddings, _ = scene
    clips = {split: {clip: ["a"] for clip in names} for split, names in CLIPS.items()}
    values = {clip: [0.5, 0.5] for clip in CLIPS["test"]}
    scores = {"test": {"test_score": 0.5, "test_top1_acc": 0.5}}
    write_predictions(embeddings / "C" / "mine-v1-full", clips, ["a", "b"], {"test": values}, scores)
    write_predictions(embeddings / "D" / "mine-v1-full", CLIPS, LABELS, {"test": PROBABILITIES}, scores)
    (embeddings / "D" / "mine-v1-full" / "task_metadata.json").unlink()
    assert write_report([embeddings], tmp_path / "out", Settings(), tell=lambda message: None)
    text = (tmp_path / "out" / "mine-v1-full.html").read_text(encoding="utf-8")
    assert "C: other labels than those of A" in text
    assert "D: its metadata do not tell what kind of task it is" in text
    heads, _ = table(tmp_path / "out", "mine-v1-full", "A: accuracy")
    assert [head for head in heads if head.endswith("accuracy")] == ["A: accuracy", "B: accuracy"]


def test_pages_have_names_that_mean_nothing_in_a_url():
    names = _page_names(["a b", "a_b", "index", "plain-v1-full", "<x>", "y" * 300])
    assert names["plain-v1-full"] == "plain-v1-full"
    assert len(set(names.values())) == len(names)
    assert "index" not in names.values()
    assert all(re.fullmatch(r"[\w.-]{1,110}", name) for name in names.values() if name != names["y" * 300])


@pytest.fixture(scope="module")
def browser():
    from browser import open_browser

    with open_browser() as opened:
        yield opened


@pytest.mark.browser
@pytest.mark.parametrize("audio", ["link", "copy"])
def test_the_pages_in_a_browser(scene, tmp_path, browser, audio):
    embeddings, tasks = scene
    write_report([embeddings], tmp_path / "out", Settings(tasks, audio, published=True), tell=lambda message: None)
    if audio == "copy":
        tasks.rename(tmp_path / "gone")
    browser.open(tmp_path / "out" / "index.html")
    browser.run("document.querySelector('td a').click()")
    browser.wait("return location.pathname.endsWith('/mine-v1-full.html') && document.readyState === 'complete'")
    browser.open(tmp_path / "out" / "mine-v1-full.html")
    count = browser.run("return document.querySelectorAll('audio').length")
    assert count >= 4
    for number in range(4):
        browser.run(f"document.querySelectorAll('audio')[{number}].play()")
        browser.wait(f"return document.querySelectorAll('audio')[{number}].currentTime > 0.05")
    shown = browser.run(
        "return [...document.querySelectorAll('.view img')].every((i) => i.complete && i.naturalWidth > 0)"
    )
    assert shown
    assert browser.beyond_tab() == []
    assert browser.pale_texts() == []
    assert browser.errors() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))] == []
