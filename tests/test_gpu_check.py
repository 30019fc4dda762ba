"""`scripts/gpu_check.sh` whole, at small size and on the CPU, with a Python that has little more than jax."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
from conftest import usual_environment

SCRIPT = pathlib.Path(__file__).parents[1] / "scripts" / "gpu_check.sh"

ABSENT = """
import importlib.machinery
ABSENT = {"tensorflow", "torch", "heareval", "soundfile", "soxr", "safetensors", "tokenizers", "scipy", "pandas",
    "grain", "array_record"}
class Find:
    find_spec = importlib.machinery.PathFinder.find_spec

    def __call__(self, name, *more):
        return None if name in ABSENT else self.find_spec(name, *more)

importlib.machinery.PathFinder.find_spec = Find()
"""


def check(python: str | pathlib.Path, *given: str | pathlib.Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**usual_environment(), "PYTHON": str(python), **more}
    command = [str(SCRIPT), *map(str, given)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_what_it_calls_needs_jax_flax_and_numpy_alone(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(ABSENT)
    file = tmp_path / "figures.json"
    sections = ("embed", "training", "predict")
    command = [sys.executable, "-m", "hear_tasks.benchmark", "--quick", "--json", str(file)]
    path = f"{tmp_path}:{SCRIPT.parents[1]}"
    done = subprocess.run(
        [*command, *(part for name in sections for part in ("--only", name))],
        env={**usual_environment(), "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check_sections({name: json.loads(file.read_text())["sections"] for name in sections})


def check_sections(figures: dict[str, dict]) -> None:
    """What the runs for some sections tell of them."""
    embed = figures["embed"]["embed"]
    assert embed["lengths"]["1"]["fraction_of_encoder_alone"] > 0
    assert embed["heareval"] == "No module named 'torch'"
    skipped = {"skipped": "no module named array_record, grain; install the extra `train`"}
    assert figures["training"]["training"] == skipped
    assert figures["predict"]["predict"] == {"skipped": "No module named 'torch'"}


@pytest.mark.slow
@pytest.mark.repeats  # the test above calls the sections, the tests below the script
def test_everything_is_measured_with_jax_flax_and_numpy_alone(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(ABSENT)
    out = tmp_path / "the results"
    done = check(sys.executable, out, "--quick", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = (out / "summary.txt").read_text()
    assert summary == done.stdout
    parts = ["device", "cpu", "tests", "encoder-float32", "encoder-bfloat16", "embed"]
    parts += ["training-float32", "training-bfloat16", "predict"]
    assert [line.split(":")[0].split()[0] for line in summary.splitlines()] == parts
    assert "could not import 'torch'" in (out / "tests.txt").read_text()
    for precision in ("float32", "bfloat16"):
        figures = json.loads((out / f"encoder-{precision}.json").read_text())
        assert (figures["precision"], figures["machine"]["devices"]) == (precision, ["cpu"])
        assert all(each["fraction_of_matrix_rate"] > 0 for each in figures["sections"]["encoder"]["lengths"].values())
        files = {"embed": "embed", "training": f"training-{precision}", "predict": "predict"}
        check_sections(
            {name: json.loads((out / f"{file}.json").read_text())["sections"] for name, file in files.items()}
        )


def write_python(folder: pathlib.Path, script: str) -> pathlib.Path:
    """A stand-in for Python that sees two arguments of note: what is imported, or the section that is measured."""
    file = folder / "python"
    file.write_text(f'#!/bin/sh\ncase "$*" in\n{script}\nesac\n')
    file.chmod(0o755)
    return file


def test_a_run_that_is_killed_keeps_what_it_had_and_is_not_written_over(tmp_path):
    python = write_python(
        tmp_path, "*device_kind*) echo gpu A100 ;;\n*bfloat16*) kill -9 $PPID ;;\n*float32*) echo 7 of 8 GFLOP/s ;;"
    )
    out = tmp_path / "out"
    assert check(python, out).returncode == -9
    assert (out / "summary.txt").read_text().split(" in ")[0] == "device: done"
    assert "encoder-float32: done in" in (out / "summary.txt").read_text()
    assert (out / "encoder-float32.txt").read_text() == "7 of 8 GFLOP/s\n"
    again = check(python, out)
    assert (again.returncode, "holds the results of an earlier run; choose another folder" in again.stderr) == (2, True)


def test_a_python_without_jax_is_told_first(tmp_path):
    python = write_python(tmp_path, "*device_kind*) echo no jax >&2; exit 1 ;;")
    done = check(python, tmp_path / "out")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "device: FAILED with status 1 after 0 s: no jax")


def test_a_relative_python_is_that_of_the_current_folder(tmp_path, monkeypatch):
    write_python(tmp_path, "*device_kind*) echo gpu A100 ;;")
    monkeypatch.chdir(tmp_path)
    assert "gpu A100\n" in check("./python", "the results").stdout
    assert (tmp_path / "the results/summary.txt").exists()
    told = check("./absent", "others")
    assert (told.returncode, f"found no {tmp_path}/./absent" in told.stderr) == (2, True)
    assert not (tmp_path / "others").exists()


def test_what_fails_is_named_and_the_rest_is_measured(tmp_path):
    python = write_python(
        tmp_path,
        "*device_kind*) echo gpu A100 ;;\n*import?pytest*) echo no pytest >&2; exit 1 ;;\n"
        "*--short*embed*) echo out of memory; exit 3 ;;",
    )
    done = check(python, tmp_path / "out")
    assert done.returncode == 1
    assert "tests: not run: no pytest\n" in done.stdout
    assert "embed: FAILED with status 3 after 0 s: out of memory\n" in done.stdout
    assert "predict: done in 0 s" in done.stdout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "expected a folder for the results, and perhaps --quick, got 0 arguments"),
        (["--quick"], "expected a folder for the results, got --quick"),
        (["out", "--fast"], "expected --quick, got --fast"),
    ],
)
def test_wrong_arguments_are_told(given, message, tmp_path):
    done = check("none", *given)
    assert (done.returncode, message in done.stderr) == (2, True)
