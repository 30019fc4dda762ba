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
    lines = [line.split() for line in format_table(read_scores(tmp_path)).splitlines()]
    assert lines[0] == ["task", "model", "weights", "score", "chance"]
    assert lines[2:] == [
        ["events", "a", "unknown", "event_onset_200ms_fms", "0.250"],
        ["vowel", "a", "unknown", "top1_acc", "0.123", "0.250"],
        ["vowel", "b", "untrained", "top1_acc", "0.500", "±", "0.062", "0.250"],
    ]


def test_no_scores(tmp_path):
    with pytest.raises(ValueError, match="found none; did the predictions run"):
        read_scores(tmp_path)


@pytest.mark.parametrize("content", ['{"test": {"test_sc', "{}", '{"aggregated_scores": {"test_score_mean": 1}}'])
def test_a_damaged_file_is_named(content, tmp_path):
    folder = write_scores(tmp_path, "a", "vowel", {})
    (folder / "test.predicted-scores.json").write_text(content)
    with pytest.raises(ValueError, match=r"vowel-v1-full/test\.predicted-scores\.json: not a whole scores file"):
        read_scores(tmp_path)
