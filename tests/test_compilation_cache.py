from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import sys, jax
from hear_cacophony.engine import compilation_cache
compilation_cache.MIN_COMPILE_SECONDS = 0
compilation_cache.enable()
jax.jit(lambda x: x * 2 + 1)(3.0)
print(jax.config.values["jax_compilation_cache_dir"])
"""


def run(*, stream: str = "stdout", **variables: str) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")} | variables
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True)
    return getattr(done, stream)


def test_the_configuration_of_jax_goes_first(tmp_path):
    own = tmp_path / "own"
    assert run(XDG_CACHE_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR=str(own)).strip() == str(own)
    assert run(XDG_CACHE_HOME=str(tmp_path), JAX_ENABLE_COMPILATION_CACHE="false").strip() == "None"
    assert not (tmp_path / "hear_cacophony").exists()


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "hear_cacophony").write_text("a file in the way")
    told = run(XDG_CACHE_HOME=str(tmp_path), stream="stderr")
    assert f"compiled functions are not kept: {tmp_path / 'hear_cacophony' / 'compiled'}: cannot be written to" in told
    assert "set HOME, or XDG_CACHE_HOME, to a folder that you may write to, or JAX_COMPILATION_CACHE_DIR" in told


def test_compiled_functions_are_kept_in_the_users_cache_and_a_cut_entry_is_replaced(tmp_path):
    """jax writes entries in place, and keeps what a killed process has left of one."""
    folder = tmp_path / "hear_cacophony" / "compiled"
    assert run(XDG_CACHE_HOME=str(tmp_path)).strip() == str(folder)
    entries = {file: file.read_bytes() for file in folder.glob("*-cache")}
    assert entries
    for file, content in entries.items():
        file.write_bytes(content[: len(content) // 2])
    assert run(stream="stderr", XDG_CACHE_HOME=str(tmp_path)) == ""
    assert all(len(file.read_bytes()) > len(content) // 2 for file, content in entries.items())
    assert run(stream="stderr", XDG_CACHE_HOME=str(tmp_path)) == ""
    (folder / "whole.json").write_text("[]")
    next(iter(entries)).write_bytes(b"")  # cut since it was found whole
    assert run(stream="stderr", XDG_CACHE_HOME=str(tmp_path)) == ""
