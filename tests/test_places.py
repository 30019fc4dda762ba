"""Modules, files and commands that READMEs, scripts and the packages name are there."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest
from conftest import FIRST_FILES

from hear_tasks.cli import COMMANDS

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("hear_cacophony", "hear_tasks")
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
READMES = [ROOT / "README.md", *(ROOT / package / "README.md" for package in PACKAGES)]
MARKDOWN = [*READMES, ROOT / "CHANGELOG.md", ROOT / "scripts/slurm/README.md", ROOT / "tests/golden/README.md"]
SCRIPTS = sorted(file for file in (ROOT / "scripts").rglob("*") if file.is_file() and file.suffix != ".webp")
TEXTS = [*READMES, ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / ".ci/run", *SCRIPTS, *SOURCES]

MODULE = re.compile(r"(?<![\w/.])(?:hear_cacophony|hear_tasks)(?:\.[A-Za-z_]\w*)+(?![\w/]*\.(?:md|py|csv)\b)")
PATH = re.compile(r"(?<![\w.-])(?<!/opt/)(?:\.ci|hear_cacophony|hear_tasks|scripts|tests)/[\w./-]*[\w/]")
FILE = re.compile(r"(?<![\w./*-])[\w-]+\.(?:sh|sbatch)\b")
COMMAND = re.compile(r"hear-cacophony ([a-z]+(?:-[a-z]+)*)\b")
LINK = re.compile(r"\]\(([^)#:]+)\)")


def names_in(module: pathlib.Path) -> set[str]:
    """What can be taken from a module, as its source tells; of a package, also what it gives when it is asked for."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and module.name == "__init__.py":
            names.add(node.value)
    return names


def is_there(dotted: str) -> bool:
    """Whether a dotted name is that of a module, or of something in one."""
    place, parts = ROOT, dotted.split(".")
    for number, part in enumerate(parts, 1):
        if (place / part).is_dir():
            place /= part
        elif (place / f"{part}.py").exists():
            return number == len(parts) or parts[number] in names_in(place / f"{part}.py")
        else:
            return part in names_in(place / "__init__.py")
    return True


def faults(text: str) -> Iterator[str]:
    """Names in a text of what is not there."""
    files = {file.name for file in SCRIPTS} | {file.name for file in (ROOT / "tests").iterdir()}
    yield from (name for name in MODULE.findall(text) if not is_there(name))
    yield from (path for path in PATH.findall(text) if not (ROOT / path).exists())
    yield from (name for name in FILE.findall(text) if name not in files)


def dead_links(text: str, folder: pathlib.Path) -> list[str]:
    """Links to files, in a markdown text which lies in `folder`, that lead nowhere."""
    return [link for link in LINK.findall(text) if not (folder / link).exists()]


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_named_is_there(file):
    assert list(faults(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("file", MARKDOWN, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file):
    assert dead_links(file.read_text(encoding="utf-8"), file.parent) == []


@pytest.mark.parametrize("file", [*READMES, *SCRIPTS], ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_that_are_named_exist(file):
    assert set(COMMAND.findall(file.read_text(encoding="utf-8"))) <= set(COMMANDS)


@pytest.mark.parametrize(
    "text",
    [
        "python -m hear_tasks.nosuch",
        "see `hear_cacophony.engine.nosuch`",
        "`hear_tasks.leaderboard.grid.nosuch`",
        '"$root/scripts/nosuch.sh"',
        "set up by nosuch.sh",
        "hear_tasks/nosuch/ holds",
        "`tests/test_nosuch.py`",
        "run .ci/nosuch",
    ],
)
def test_what_is_not_there_is_found(text):
    assert len(list(faults(text))) == 1


def test_a_link_to_nothing_is_found():
    assert dead_links("[on](nosuch.md), [off](../README.md)", ROOT / "hear_tasks") == ["nosuch.md"]


def test_the_long_test_files_are_there():
    assert [name for name in FIRST_FILES if not (ROOT / "tests" / name).exists()] == []
