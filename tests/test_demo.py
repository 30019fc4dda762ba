"""The demo's own logic; the chain that it runs is that of test_end_to_end."""

from __future__ import annotations

import pytest

from hear_cacophony.model.stages import AUDIOMAE
from hear_tasks.demo import chain as demo


def test_untrained_weights_stand_in_for_missing_ones(tmp_path, monkeypatch):
    monkeypatch.delenv("HEAR_CACOPHONY_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = demo.choose_model(AUDIOMAE)
    assert (model.arguments, model.run, model.title) == (("--model", "random"), "random", "AudioMAE (untrained)")


def test_published_weights_are_used_and_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", str(tmp_path))
    file = tmp_path / "AudioMAE.ckpt"
    file.write_bytes(b"one")
    first = demo.choose_model(AUDIOMAE)
    file.write_bytes(b"another")
    second = demo.choose_model(AUDIOMAE)
    assert first.arguments == ("--model", str(file))
    assert first.run != second.run, "embeddings of an earlier file must not be taken for this one's"


def test_a_named_folder_without_weights_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="no weights found"):
        demo.choose_model(AUDIOMAE)


def test_a_failed_step_shows_the_end_of_its_log(tmp_path):
    (tmp_path / "failing.py").write_text("import sys; print('some output'); sys.exit('the cause')")
    with pytest.raises(demo.DemoError, match=r"(?s)a step failed with status 1; the end of .*step\.log:.*the cause"):
        demo._run_step("step", "a step", ["failing"], tmp_path)


def test_missing_recordings_are_one_line_and_status_1(tmp_path, capsys):
    assert demo.main([str(tmp_path / "out"), "--sources", str(tmp_path / "gone")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_one_line_and_status_1(tmp_path, capsys):
    out = tmp_path / "out"
    out.write_text("precious")
    assert demo.main([str(out), "--sources", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("demo: ")
    assert out.read_text() == "precious"
