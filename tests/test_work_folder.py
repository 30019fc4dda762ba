"""The working folder of a task, and what results of windows become in it, with a model of a few numbers."""

from __future__ import annotations

import json
import os
import types

import numpy as np
import pytest

from hear_cacophony.engine.batches import Batch
from hear_cacophony.files.lock import BusyError
from hear_tasks.embed.event_results import GrowingEventResults, labels_at
from hear_tasks.embed.work_folder import WorkFolder, is_busy, is_done, open_work_folder
from hear_tasks.task_folder import TaskError

SETTINGS = {"task": "fingerprint", "model": "weights"}


def begin(work: WorkFolder, settings: dict = SETTINGS, windows: int = 4) -> str:
    return work.start(windows, settings, {"windows": windows * 8})


def test_windows_that_are_done_stay_done(tmp_path):
    with open_work_folder(tmp_path / "task") as work:
        assert begin(work) == ""
        work.write("windows", 8, b"12345678")
        work.mark([1])
        work.flush()
    with open_work_folder(tmp_path / "task") as work:
        assert begin(work) == ""
        assert work.done_windows(4).tolist() == [False, True, False, False]
        assert work.path("windows").read_bytes()[8:16] == b"12345678"


def test_a_mark_comes_after_its_results_have_reached_the_disk(tmp_path, monkeypatch):
    with open_work_folder(tmp_path / "task") as work:
        begin(work)
        work.mark([2])
        assert not work.done_windows(4).any()
        work.flush()
        assert work.done_windows(4).tolist() == [False, False, True, False]


@pytest.mark.parametrize(("key", "value"), [("task", "another"), ("model", "others")])
def test_work_on_another_task_or_with_other_weights_is_done_again(key, value, tmp_path):
    with open_work_folder(tmp_path / "task") as work:
        begin(work)
        work.mark([0])
    with open_work_folder(tmp_path / "task") as work:
        assert begin(work, {**SETTINGS, key: value}) == f"other {key}"
        assert not work.done_windows(4).any()


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_damaged_settings_are_no_reason_to_trust_the_work(content, tmp_path):
    with open_work_folder(tmp_path / "task") as work:
        begin(work)
    (tmp_path / ".embedding-task" / "settings").write_text(content)
    with open_work_folder(tmp_path / "task") as work:
        assert begin(work) == "its settings are damaged"


@pytest.mark.parametrize("lose", [os.unlink, lambda file: os.truncate(file, 9)])
@pytest.mark.parametrize("name", ["windows", "done"])
def test_work_that_was_cut_is_done_again(name, lose, tmp_path):
    with open_work_folder(tmp_path / "task") as work:
        begin(work, windows=12)
        work.mark([0, 1])
        work.flush()
    lose(tmp_path / ".embedding-task" / name)
    with open_work_folder(tmp_path / "task") as work:
        assert begin(work, windows=12) == f"{name}: cut or gone"
        assert not work.done_windows(12).any()


def test_results_of_events_that_were_cut_are_told(tmp_path):
    clips = [types.SimpleNamespace(samples=100)] * 2
    task = types.SimpleNamespace(clips=clips)
    plan = types.SimpleNamespace(windows=[None] * 2, embedder=types.SimpleNamespace(size=2), task=task)
    results = GrowingEventResults(plan, tmp_path / "task")
    result = np.empty(1, object)
    result[0] = np.ones((3, 2), np.float32), np.arange(3.0)
    for lost in ("", "embeddings"):
        with open_work_folder(tmp_path / "task") as work:
            assert work.start(2, SETTINGS, results.files) == ""
            if lost:
                os.truncate(work.path(lost), 20)
                with pytest.raises(TaskError, match=f"{lost}: cut short; remove .*embedding-task and embed"):
                    GrowingEventResults(plan, tmp_path / "task").write(work, Batch((1,), 1, 1), result, [True])
            else:
                results.write(work, Batch((0,), 1, 1), result, [True])
                work.mark([0])
                work.flush()


def test_a_finished_task_takes_its_place_and_the_working_folder_goes(tmp_path):
    with open_work_folder(tmp_path / "task") as work:
        begin(work)
        (work.task / "task_metadata.json").write_text("{}")
        (work.task / "labelvocabulary.csv").write_text("text")
        assert is_busy(tmp_path / "task")
        with pytest.raises(BusyError), open_work_folder(tmp_path / "task"):
            pass
        assert not is_done(tmp_path / "task")
        work.finish()
    assert is_done(tmp_path / "task")
    assert (tmp_path / "task" / "labelvocabulary.csv").read_text() == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["task"]
    assert not is_busy(tmp_path / "task")


def test_windows_that_are_done_are_not_written_again(tmp_path):
    from hear_tasks.embed.results import SceneResults

    plan = types.SimpleNamespace(windows=[None] * 4, embedder=types.SimpleNamespace(size=2), task=None)
    results = SceneResults(plan, tmp_path / "task", None)
    batch = Batch((2, 0), 2, 1)
    with open_work_folder(tmp_path / "task") as work:
        assert work.start(4, SETTINGS, results.files) == ""
        results.write(work, batch, np.array([[1, 2], [3, 4]], np.float32), [True, True])
        results.write(work, batch, np.array([[5, 6], [7, 8]], np.float32), [False, True])
        written = np.fromfile(work.path("windows"), np.float32).reshape(4, 2)
        assert written.tolist() == [[7, 8], [0, 0], [1, 2], [0, 0]]
        assert json.loads(work.path("settings").read_text()) == SETTINGS


def test_labels_last_up_to_and_including_their_ends():
    pytest.importorskip("intervaltree", reason="the extra 'tasks' is not installed")
    events = [{"label": "a", "start": 10, "end": 20}, {"label": "b", "start": 20, "end": 30}]
    found = labels_at(events, np.array([9.9, 10, 20, 20.1, 30, 30.1]))
    assert [sorted(each) for each in found] == [[], ["a"], ["a", "b"], ["b"], ["b"], []]
