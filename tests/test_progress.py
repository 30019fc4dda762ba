"""What progress tells."""

from __future__ import annotations

from hear_cacophony import progress
from hear_cacophony.progress import ByteProgress, FileProgress, TransferProgress, clock


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


def test_bytes_with_their_speed_and_the_time_left():
    resampled = ByteProgress("resample", 4_000_000)
    assert resampled.line(0) == "resample:   0% of 4.0 MB, 0.0 MB/s, time left unknown"
    resampled.advance(1_000_000)
    assert resampled.line(20) == "resample:  25% of 4.0 MB, 0.1 MB/s, 1:00 left"


def test_a_terminal_has_one_line_that_ends_with_the_work(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    with ByteProgress("resample", 4_000_000) as resampled:
        resampled.advance(4_000_000)
    told = capsys.readouterr().err
    assert told.startswith("\rresample: 100% of 4.0 MB")
    assert told.endswith("\x1b[K\n")


def test_a_clock_has_hours_where_there_are_any():
    assert [clock(each) for each in (0, 61, 3_661)] == ["0:00", "1:01", "1:01:01"]


def test_transfers_tell_files_bytes_rate_and_time_left():
    transfers = TransferProgress("download")
    transfers.expect(3, 10_000_000, 2_000_000)
    transfers.advance(3_000_000)
    transfers.finish()
    assert transfers.line(3.0) == "download: 1 of 3 files, 5.0 of 10.0 MB, 1.0 MB/s, 0:05 left"
    transfers.advance(-3_000_000)  # a file that comes anew
    assert transfers.line(4.0) == "download: 1 of 3 files, 2.0 of 10.0 MB, 0.0 MB/s, time left unknown"
    transfers.advance(12_000_000)
    assert transfers.line(6.0) == "download: 1 of 3 files, 14.0 MB, 2.0 MB/s, time left unknown"
