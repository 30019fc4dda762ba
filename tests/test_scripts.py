"""The scripts: help and wrong arguments before any set-up, and what they leave in the checkout."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from packaging.specifiers import SpecifierSet

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path):
    """A checkout in which nothing is set up, and a Python that has no packages installed."""
    place = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", place / "scripts")
    for package in ("hear_cacophony", "hear_tasks"):
        (place / package).symlink_to(ROOT / package)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    return place


def script(checkout: pathlib.Path, name: str, *given: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": str(checkout.parent / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(checkout / "scripts" / name), *given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def is_untouched(checkout: pathlib.Path) -> bool:
    return sorted(path.name for path in checkout.iterdir()) == ["hear_cacophony", "hear_tasks", "scripts"]


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("demo.sh", "--full"),
        ("reproduce_leaderboard.sh", "--from-phase"),
        ("gpu_check.sh", "scripts/gpu_check.sh OUT [--quick]"),
        ("setup.sh", "a virtual environment .venv in the checkout"),
        ("test.sh", "scripts/test.sh tests/test_golden.py -k tiny"),
        ("slurm/submit.sh", "scripts/slurm/submit.sh CONFIG [--dry-run]"),
        ("slurm/status.sh", "scripts/slurm/status.sh CONFIG"),
    ],
)
def test_help_sets_nothing_up(checkout, name, shown, option):
    done = script(checkout, name, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert shown in done.stdout
    assert "shellcheck" not in done.stdout
    assert is_untouched(checkout)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["demo.sh", "--al"], "unrecognized arguments: --al"),
        (["demo.sh", "out", "more"], "unrecognized arguments: more"),
        (["demo.sh", "--sources"], "--sources: expected one argument"),
        (["reproduce_leaderboard.sh", "--out", "run"], "required: --tasks-dir"),
        (["reproduce_table.sh", "--out", "run"], "required: --tasks-dir"),
        (["setup.sh", "--nosuch"], "expected --gpu, --demo, --dry-run or --python, got --nosuch"),
        (["slurm/status.sh", "--nosuch"], "--nosuch: no such configuration file"),
    ],
)
def test_wrong_arguments_are_told_before_the_set_up(checkout, given, message):
    done = script(checkout, *given)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert is_untouched(checkout)


@pytest.mark.parametrize(
    ("given", "seen"), [(["--module", "my_plugin"], "/my/plugins"), (["--checkpoints", "random"], "none")]
)
def test_a_plugin_is_found_where_pythonpath_leads_and_nothing_else_is(checkout, given, seen, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/my/plugins")
    for name, code in (("scripts/setup.sh", 'echo "$PYTHON"'), (".venv/bin/python", 'echo "${PYTHONPATH-none}" "$@"')):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(f"#!/bin/sh\n{code}\n")
        (checkout / name).chmod(0o755)
    done = script(checkout, "reproduce_leaderboard.sh", *given, "--tasks-dir", "tasks", "--out", "run")
    assert done.stdout == f"{seen} -m hear_tasks.reproduce {' '.join(given)} --tasks-dir tasks --out run\n"


CUDA12 = ["torch --no-deps --index-url https://download.pytorch.org/whl/cu126", "jax[cuda12]"]


@pytest.mark.parametrize(
    ("driver", "card", "given", "told"),
    [
        ("580.65.06", "7.5", [], ["would install: torch", "would install: jax[cuda13]"]),
        ("595.10", "12.0", [], ["would install: torch", "would install: jax[cuda13]"]),
        ("570.10", "9.0", [], CUDA12),
        ("525.60.13", "8.0", [], ["jax[cuda12]"]),
        ("580.65.06", "7.0", [], CUDA12),
        ("580.65.06\\n580.65.06\\n580.65.06", "9.0\\n9.0\\n6.1", [], CUDA12),
        (" 580.65.06 \\r\\n580.65.06", "10.0", [], ["jax[cuda13]"]),
        ("Warning: infoROM is corrupted at gpu 0000:3B:00.0\\n580.65.06", "9.0", [], ["jax[cuda13]"]),
        ("580.65.06", 'Field "compute_cap" is not a valid field to query.', [], ["jax[cuda13]"]),
        ("580.65.06", "[N/A]", [], ["jax[cuda13]"]),
        ("515.1", "8.0", [], ["the NVIDIA driver of this machine, 515.1, is older than 525, the least that any build"]),
        ("550.10", "3.7", [], ["a card of this machine, of compute capability 3.7, is older than 5.2"]),
        ("", "", [], ["nvidia-smi tells of no card here; ", "name the builds: --gpu cuda13"]),
        ("No devices were found", "", [], ["tells of no card here (it says: No devices were found)"]),
        ("12 errors", "", [], ["tells of no card here (it says: 12 errors)"]),
        ("[N/A]", "", [], ["tells of no card here (it says: [N/A])"]),
        ("", "", ["cuda12"], ["whl/cu126", "jax[cuda12]"]),
        ("", "", ["cuda11"], ["--gpu cuda11: expected one of cuda13 cuda12"]),
    ],
)
def test_the_builds_for_a_card_go_by_its_driver_and_by_the_oldest_card(
    checkout, tmp_path, monkeypatch, driver, card, given, told
):
    tools = tmp_path / "tools"
    tools.mkdir()
    answers = f"case $* in *compute_cap*) printf '{card}\\n' ;; *) printf '{driver}\\n' ;; esac"
    (tools / "nvidia-smi").write_text(f"#!/bin/sh\n{answers}\n")
    (tools / "nvidia-smi").chmod(0o755)
    shutil.copy(ROOT / "setup.py", checkout)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    done = script(checkout, "setup.sh", "--gpu", *given, "--dry-run")
    assert all(line in done.stdout + done.stderr for line in told), done
    assert done.returncode == (0 if "jax" in told[-1] else 1)
    assert not (checkout / ".venv").exists()


CPU_INDEX = "torch --no-deps --index-url https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("answers", "given", "told"),
    [
        (True, [], [": 4 GB on the disk", f"would install: {CPU_INDEX}", "would install: .[hear,tasks,down"]),
        (True, ["--demo"], [": 3.6 GB on the disk", f"would install: {CPU_INDEX}", "install: .[hear,tasks,text]"]),
        (False, [], ["the usual one may give the build that brings CUDA along: 2.7 GB more to fetch",
                     "would install: torch", "would install: .[hear,tasks,down"]),
    ],
)  # fmt: skip
def test_without_a_card_torch_is_that_for_cpus_where_its_index_answers_and_sizes_are_told_first(
    checkout, answers, given, told
):
    python = checkout.parent / "python"
    reach = f'[ "$1" != - ] || {{ echo "$2" >>"{checkout.parent}/asked"; exit {int(not answers)}; }}'
    python.write_text(f'#!/bin/sh\n{reach}\nexec "{sys.executable}" -S "$@"\n')
    shutil.copy(ROOT / "setup.py", checkout)
    done = script(checkout, "setup.sh", *given, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(told)
    assert all(part in line for part, line in zip(told, lines, strict=True))
    assert "jax[" not in done.stdout
    assert (checkout.parent / "asked").read_text() == "https://download.pytorch.org/whl/cpu/torch/\n"
    assert not (checkout / ".venv").exists()


def test_what_the_commands_of_the_readme_write_is_ignored_by_git(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("needs git")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    written = ["demo-output/a", "tasks/a", "embeddings/a", "row.csv", "row.png", "run/a", "try/a", "demo-tasks/a",
               "my-run.conf", "tarballs/a", "datasets/a", "checkpoints/a", "Cacophony.ckpt", "Cacophony.safetensors",
               "logs/a", ".venv/a", ".setup.lock"]  # fmt: skip
    kept = ["hear_tasks/leaderboard/published.csv", "hear_tasks/embed/run.py", "scripts/slurm/config.example",
            "tests/heareval_scores/tiny/a.csv", "hear_tasks/demo/tasks.py"]  # fmt: skip
    command = ["git", "-C", str(tmp_path), "check-ignore", "--no-index", *written, *kept]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == written


@pytest.mark.parametrize("python", ["3.11.5", "3.12.0", "3.13.0"])
def test_what_is_pinned_takes_every_python_that_setup_takes(python):
    """Otherwise pip would look for other versions of everything for half an hour, and give up."""
    pinned = {line.partition("==")[0] for line in (ROOT / "scripts" / "constraints.txt").read_text().splitlines()}
    installed = [each for each in importlib.metadata.distributions() if each.name in pinned]
    takes = {each.name: SpecifierSet(each.metadata["Requires-Python"] or "") for each in installed}
    refused = [name for name, versions in takes.items() if not versions.contains(python)]
    assert len(takes) > 100
    assert not refused
