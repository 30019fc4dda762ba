from __future__ import annotations

import numpy as np
import pytest

from hear_tasks.write_task import Clip, write_task

GOOD = Clip("a.wav", np.zeros(10), ["x"])


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (Clip("b.wav", np.zeros(10), ["z"]), r"b\.wav: labels \['z'\] are not in the vocabulary"),
        (Clip("b.wav", np.full(10, 1.5), ["x"]), r"b\.wav: expected samples in \[-1, 1\], got 1\.5"),
    ],
)
def test_a_bad_clip_leaves_no_task(clip, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_task(tmp_path / "task", {}, ["x", "y"], {"train": [GOOD, clip]}, "mine")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    write_task(tmp_path / "task", {}, ["x"], {"train": [GOOD]}, "mine")
    with pytest.raises(FileExistsError, match="delete it first"):
        write_task(tmp_path / "task", {}, ["x"], {"train": [GOOD]}, "mine")
