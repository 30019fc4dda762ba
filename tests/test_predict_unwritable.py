"""Predictions whose results cannot be written: the message says what to do."""

from __future__ import annotations

import errno
import os

import pytest

from hear_tasks.predict import side_by_side
from hear_tasks.predict.options import Options


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

    monkeypatch.setattr(side_by_side, "predict_folder", fail)
    assert told in side_by_side._try_task(tmp_path, Options("fast", 1))
    assert told in capsys.readouterr().err
