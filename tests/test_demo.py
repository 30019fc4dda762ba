"""The demo's own logic; the chain that it runs is that of test_end_to_end."""

from __future__ import annotations

import json
import pathlib
import re
import time

import pytest

from hear_cacophony.model.stages import AUDIOMAE, STAGES
from hear_tasks.debian_packages import SourceError
from hear_tasks.demo import __main__ as demo_command
from hear_tasks.demo import chain as demo
from hear_tasks.demo.phases import Phases


def test_untrained_weights_stand_in_for_missing_ones(tmp_path, monkeypatch):
    monkeypatch.delenv("HEAR_CACOPHONY_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = demo.choose_model(AUDIOMAE)
    assert (model.arguments, model.run, model.title) == (
        ("--model", "random-tiny"),
        "random-tiny",
        "AudioMAE (untrained)",
    )
    assert demo.choose_model(AUDIOMAE, full=True).arguments == ("--model", "random")


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


def test_a_failed_command_shows_the_end_of_its_log_and_the_others_are_done(tmp_path):
    failing = ["-c", "import sys; print('some output', flush=True); sys.exit('the cause')"]
    done = ["-c", "import os; print(os.getcwd(), os.environ['X'])"]
    with pytest.raises(demo.DemoError, match=r"(?s)^a failed with status 1; the end of .*a\.log:.*output.*the cause$"):
        demo._run_side_by_side({"a": failing, "b": done, "c": done}, tmp_path, {"X": "1"})
    assert [(tmp_path / "logs" / f"{name}.log").read_text() for name in "bc"] == [f"{tmp_path} 1\n"] * 2


def test_commands_that_wait_for_one_another_run_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(demo.os, "sched_getaffinity", lambda _: {0, 1})
    meet = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).touch()\nwhile not os.path.exists(sys.argv[2]): pass"
    demo._run_side_by_side({"a": ["-c", meet, "a", "b"], "b": ["-c", meet, "b", "a"]}, tmp_path)


def test_each_model_is_validated_embedded_and_predicted(tmp_path):
    models = [demo.Model("hear_cacophony.audiomae", "A", ("--model", "a file")), demo.Model(demo.BASELINE, "B")]
    for model in models:
        (tmp_path / "embeddings" / f"{model.module}-hop").mkdir(parents=True)
    checks = demo._checks(models, tmp_path)
    assert json.loads(checks["hear-validator"][-1])[0][1:] == ["hear_cacophony.audiomae", "--model", "a file"]
    predicted = demo._predict("demo_strokes", models, tmp_path / "embeddings")
    assert [pathlib.Path(each).parent.name for each in predicted[3:5]] == [f"{each.module}-hop" for each in models]
    assert predicted[5:] == ["--grid", "faster", "--grid-points", "2"]


def test_the_time_and_the_disk_are_said_before_the_start(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", "random-tiny")
    with pytest.raises(SourceError):
        demo.run_demo(tmp_path, ["demo_vowel", "demo_strokes"], tmp_path / "gone")
    lines = capsys.readouterr().out.splitlines()
    told = re.fullmatch(r"demo: about (\d+) minutes on two idle cores, (\d+) MB on the disk, and .*; .*", lines[0])
    assert told, lines[0]
    assert 1 <= int(told[1]) <= 4
    assert 1 <= int(told[2]) <= 100
    assert lines[1:] == [
        "demo: 1 of 5: building demo_vowel ...",
        "demo: 1 of 5: building demo_vowel: failed after 0 s",
    ]


def test_full_size_weights_are_said_to_take_longer(tmp_path, monkeypatch):
    monkeypatch.delenv("HEAR_CACOPHONY_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def minutes(full: bool) -> int:
        models = [demo.choose_model(stage, full=full) for stage in STAGES]
        return int(demo.estimate(models, ["demo_vowel", "demo_strokes"]).split()[1])

    assert minutes(True) > 2 * minutes(False)


def test_a_long_phase_tells_its_time_now_and_then(capsys):
    with Phases(3, interval=0.05).phase("a phase"):
        time.sleep(0.3)
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == ("demo: 1 of 3: a phase ...", "demo: 1 of 3: a phase: done in 0 s")
    assert set(lines[1:-1]) == {"demo: 1 of 3: a phase: 0 s so far ..."}
    assert 1 <= len(lines[1:-1]) <= 6


def test_on_a_terminal_a_phase_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("hear_tasks.demo.phases.TERMINAL_SECONDS", 0.05)
    with Phases(3).phase("a phase"):
        time.sleep(0.2)
    shown = capsys.readouterr().out
    assert (shown.count("\n"), shown.endswith("a phase: done in 0 s\n")) == (1, True)
    assert shown.count("s so far") >= 1


def test_missing_recordings_are_one_line_and_status_1(tmp_path, capsys):
    assert demo_command.main([str(tmp_path / "out"), "--sources", str(tmp_path / "gone")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_one_line_and_status_1(tmp_path, capsys):
    out = tmp_path / "out"
    out.write_text("precious")
    assert demo_command.main([str(out), "--sources", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("demo: ")
    assert out.read_text() == "precious"
