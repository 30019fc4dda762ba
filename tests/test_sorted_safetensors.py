"""`.safetensors` files with the same bytes whenever they hold the same."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors import safe_open

from hear_cacophony.files.sorted_safetensors import save_sorted

METADATA = {name: f'{name} "ü"\n\x01\\' for name in ("format", "about", "files", "sounds", "md5", "zz", "ä")}
ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.arange(3)}


def test_the_same_content_gives_the_same_bytes_in_any_order(tmp_path):
    for number in range(8):  # seven keys: an order by chance would hardly be the same eight times
        backwards = number % 2
        arrays = dict(reversed(ARRAYS.items())) if backwards else ARRAYS
        metadata = dict(reversed(METADATA.items())) if backwards else METADATA
        save_sorted(arrays, tmp_path / str(number), metadata)
    assert len({(tmp_path / str(number)).read_bytes() for number in range(8)}) == 1
    with safe_open(tmp_path / "0", "numpy") as tensors:
        assert tensors.metadata() == METADATA
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(tensors.get_tensor(name), array)


def test_the_file_has_the_usual_permissions(tmp_path):
    save_sorted(ARRAYS, tmp_path / "file", METADATA)
    (tmp_path / "usual").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_without_leave_to_write_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nosuch"):
        save_sorted(ARRAYS, tmp_path / "nosuch" / "file", METADATA)
