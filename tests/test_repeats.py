"""What only repeats is left out, and `--all` brings it."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
TESTS = """
import pytest
from repeats import first

@pytest.mark.parametrize("seed", first(2, range(5)))
def test_a(seed):
    pass

@pytest.mark.gpu
def test_b():
    raise AssertionError
"""


@pytest.mark.parametrize(("given", "told"), [((), "2 passed, 4 deselected"), (("--all",), "5 passed, 1 deselected")])
def test_what_only_repeats_is_run_where_all_is_asked_for(given, told, tmp_path):
    for name in ("conftest.py", "repeats.py"):
        shutil.copy(HERE / name, tmp_path)
    shutil.copy(HERE.parent / "pyproject.toml", tmp_path)
    (tmp_path / "test_few.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_few.py", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, told in done.stdout) == (0, True), done.stdout + done.stderr
