from __future__ import annotations

import json

import pytest

from hear_tasks.scores import format_table, read_scores


def write_scores(embeddings, model, task, scores, metric="top1_acc", labels=4):
    folder = embeddings / model / f"{task}-v1-full"
    folder.mkdir(parents=True)
    (folder / "test.predicted-scores.json").write_text(json.dumps(scores))
    (folder / "task_metadata.json").write_text(json.dumps({"task_name": task, "evaluation": [metric, "mAP"]}))
    rows = "".join(f"{i},label {i}\n" for i in range(labels))
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + rows)
    return folder


def test_table_of_folds_and_of_a_single_test(tmp_path):
    write_scores(tmp_path, "b", "vowel", {"aggregated_scores": {"test_score_mean": 0.5, "test_score_std": 0.0625}})
    write_scores(tmp_path, "a", "vowel", {"test": {"test_score": 0.12345}})
    write_scores(tmp_path, "a", "events", {"test": {"test_score": 0.25}}, metric="event_onset_200ms_fms")
    (tmp_path / "b" / "weights.json").write_text('{"weights": "untrained"}')
    (tmp_path / "b" / "vowel-v1-full" / "profile.embeddings.json").write_text('{"time_elapsed": 29.3}')
    (tmp_path / "b" / "vowel-v1-full" / "prediction-done.json").write_text('{"time": 2.4}')
    lines = [line.split() for line in format_table(read_scores(tmp_path)).splitlines()]
    assert lines[0] == ["task", "model", "weights", "score", "chance", "seconds"]
    assert lines[2:] == [
        ["events", "a", "unknown", "event_onset_200ms_fms", "0.250"],
        ["vowel", "a", "unknown", "top1_acc", "0.123", "0.250"],
        ["vowel", "b", "untrained", "top1_acc", "0.500", "±", "0.062", "0.250", "32"],
    ]


def test_no_scores(tmp_path):
    with pytest.raises(ValueError, match="found none; did the predictions run"):
        read_scores(tmp_path)


def test_a_task_without_scores_is_named(tmp_path):
    write_scores(tmp_path, "a", "vowel", {"test": {"test_score": 0.5}})
    (tmp_path / "a" / "piano-v1-full").mkdir()
    with pytest.raises(ValueError, match=r"found none in a/piano-v1-full; run the predictions again"):
        read_scores(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        '{"test": {"test_sc',
        "{}",
        "[]",
        '{"aggregated_scores": {"test_score_mean": 1}}',
        '{"test": {"test_score": NaN}}',
        '{"test": {"test_score": null}}',
        '{"test": {"test_score": true}}',
        '{"test": {"test_score": "0.5"}}',
    ],
)
def test_a_damaged_file_is_named(content, tmp_path):
    folder = write_scores(tmp_path, "a", "vowel", {})
    (folder / "test.predicted-scores.json").write_text(content)
    with pytest.raises(ValueError, match=r"vowel-v1-full/test\.predicted-scores\.json: not a whole scores file"):
        read_scores(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"evaluation": ["top1_acc"]}', '{"task_name": "a", "evaluation": []}'])
def test_damaged_metadata_are_named(content, tmp_path):
    folder = write_scores(tmp_path, "a", "vowel", {"test": {"test_score": 0.5}})
    (folder / "task_metadata.json").write_text(content)
    with pytest.raises(ValueError, match=r"vowel-v1-full/task_metadata\.json: not the metadata of a task"):
        read_scores(tmp_path)


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_a_damaged_note_of_the_weights_is_named(content, tmp_path):
    write_scores(tmp_path, "a", "vowel", {"test": {"test_score": 0.5}})
    (tmp_path / "a" / "weights.json").write_text(content)
    with pytest.raises(ValueError, match=r"a/weights\.json: expected"):
        read_scores(tmp_path)
