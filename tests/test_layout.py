"""Which way imports go: the library knows nothing of HEAR's tasks, no command's folder reaches into another's."""

from __future__ import annotations

import ast
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("hear_cacophony", "hear_tasks")
HEAVY = {"tensorflow", "torch", "transformers", "heareval", "hearvalidator"}
TENSORFLOW = "hear_cacophony.hear.model"
LONGEST = 310


def name_of(file: pathlib.Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}


def imports(module: str, *, whenever: bool) -> set[str]:
    """Modules that one imports: `whenever` it does, or as it is loaded."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    found: set[str] = set()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else str(node.module) for name in names}
        elif whenever or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.If):
            pending += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("module", [name for name in FILES if name.startswith("hear_cacophony")])
def test_the_library_imports_nothing_of_the_tasks_nor_what_a_gpu_node_lacks(module):
    found = imports(module, whenever=True)
    assert not {name for name in found if name.split(".")[0] == "hear_tasks"}
    heavy = {name.split(".")[0] for name in found} & HEAVY
    allowed = {TENSORFLOW: {"tensorflow"}, "hear_cacophony.hear.api": {"tensorflow"}}.get(module, set())
    assert heavy <= allowed
    if module != TENSORFLOW:
        assert "tensorflow" not in imports(module, whenever=False)


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: imports(module, whenever=False) & FILES.keys() - {module} for module in FILES}
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [name for name in FILES if name.startswith("hear_tasks.") and name.count(".") > 1])
def test_no_folder_of_a_command_reaches_into_another(module):
    own = module.split(".")[1]
    inner = {name for name in imports(module, whenever=True) & FILES.keys() if name.count(".") > 1}
    foreign = {name for name in inner if name.startswith("hear_tasks.") and name.split(".")[1] != own}
    assert not foreign, f"{module} may import the packages of these alone, or what lies one level up"


def test_every_command_has_a_folder_of_its_own_and_is_listed():
    from hear_tasks.cli import COMMANDS

    there = {name for name in FILES if name.endswith(".command") and name != "hear_tasks.reproduce.command"}
    there |= {name for name in FILES if name.startswith("hear_cacophony.commands.") and not name.endswith("_options")}
    assert set(COMMANDS) == there


def test_no_module_is_longer_than_a_few_screens():
    lengths = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in FILES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
