"""What progress tells."""

from __future__ import annotations

from hear_cacophony import progress
from hear_cacophony.progress import FileProgress, clock


def test_files_and_the_time_left_without_what_earlier_runs_did():
    files = FileProgress("features", 100)
    files.advance(40)
    assert files.line(10) == "features: 40 of 100 files, time left unknown"
    files.advance(20)
    assert files.line(10) == "features: 60 of 100 files, 0:20 left"


def test_lines_come_now_and_then_where_there_is_no_terminal(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with FileProgress("features", 10) as files:
        for _ in range(10):
            now[0] += 12
            files.advance(1)
    assert capsys.readouterr().err.splitlines() == [
        "features: 3 of 10 files, 2:06 left",
        "features: 6 of 10 files, 0:58 left",
        "features: 9 of 10 files, 0:14 left",
    ]


def test_a_clock_has_hours_where_there_are_any():
    assert [clock(each) for each in (0, 61, 3_661)] == ["0:00", "1:01", "1:01:01"]
