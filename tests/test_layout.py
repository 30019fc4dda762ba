"""The direction of imports, read from the source of every module."""

from __future__ import annotations

import ast
import functools
import pathlib
from collections.abc import Iterator

import pytest

from hear_tasks.cli import COMMANDS

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted(file for package in ("hear_cacophony", "hear_tasks") for file in (ROOT / package).rglob("*.py"))
HEAVY = {"tensorflow", "torch", "transformers", "heareval", "hearvalidator", "pytorch_lightning"}
LONGEST = 310
HEAR_MODEL = "hear_cacophony.hear.model"
"""The one module of the library that imports TensorFlow."""


def name_of(file: pathlib.Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in FILES}
PACKAGES = {name_of(file) for file in FILES if file.name == "__init__.py"}


@functools.cache
def parsed(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"), str(MODULES[name]))


def for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, *, inside_functions: bool, inside_type_checking: bool) -> Iterator[str]:
    """Names of the modules that a module imports; of `from package import module`, the module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        elif for_types_alone(node) and not inside_type_checking:
            for other in node.orelse:
                yield from imports(
                    ast.Module([other], []), inside_functions=inside_functions, inside_type_checking=False
                )
        elif inside_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imports(node, inside_functions=inside_functions, inside_type_checking=inside_type_checking)


@functools.cache
def every_import(name: str) -> set[str]:
    return set(imports(parsed(name), inside_functions=True, inside_type_checking=True))


def imports_at_import(name: str) -> set[str]:
    """Own modules that importing a module imports, with the packages that they lie in."""
    named = set(imports(parsed(name), inside_functions=False, inside_type_checking=False)) & MODULES.keys()
    parts = [each.split(".") for each in named]
    return {".".join(each[:i]) for each in parts for i in range(1, len(each) + 1)} - packages_of(name)


def packages_of(name: str) -> set[str]:
    """The packages that a module lies in: they are being imported already."""
    parts = name.split(".")
    return {".".join(parts[:i]) for i in range(1, len(parts) + 1)}


def command_folder(name: str) -> str | None:
    """The folder of hear_tasks that a module lies in."""
    parts = name.split(".")
    folder = ".".join(parts[:2])
    return folder if parts[0] == "hear_tasks" and folder in PACKAGES and len(parts) >= 2 else None


def circle_from(name: str, path: tuple[str, ...], done: set[str]) -> list[str] | None:
    if name in path:
        return [*path[path.index(name) :], name]
    if name in done:
        return None
    for other in sorted(imports_at_import(name)):
        found = circle_from(other, (*path, name), done)
        if found:
            return found
    done.add(name)
    return None


def test_modules_are_found():
    assert {"hear_cacophony", "hear_cacophony.engine.embedding", "hear_tasks.embed.command"} <= MODULES.keys()
    assert "hear_cacophony.engine.windows" in every_import("hear_cacophony.engine.embedding")
    assert "tensorflow" in every_import(HEAR_MODEL)


def test_the_library_imports_nothing_of_the_tasks():
    library = [name for name in MODULES if name.split(".")[0] == "hear_cacophony"]
    wrong = {name: each for name in library for each in every_import(name) if each.split(".")[0] == "hear_tasks"}
    assert wrong == {}


def test_the_library_imports_tensorflow_in_one_module_and_torch_in_none():
    library = [name for name in MODULES if name.split(".")[0] == "hear_cacophony"]
    heavy = {
        (name, each.split(".")[0])
        for name in library
        for each in imports(parsed(name), inside_functions=True, inside_type_checking=False)
        if each.split(".")[0] in HEAVY
    }
    assert heavy == {(HEAR_MODEL, "tensorflow")}


def test_no_module_imports_itself_by_way_of_others():
    done: set[str] = set()
    circles = [circle for name in sorted(MODULES) if (circle := circle_from(name, (), done))]
    assert circles == []


@pytest.mark.parametrize("folder", sorted({each for name in MODULES if (each := command_folder(name))}))
def test_a_command_reaches_into_no_other_command(folder):
    wrong = [
        f"{name} imports {each}"
        for name in MODULES
        if command_folder(name) == folder
        for each in sorted(every_import(name))
        if command_folder(each) not in (None, folder) and each != command_folder(each)
    ]
    assert wrong == []


def test_every_command_is_listed_with_the_module_of_its_arguments():
    of_tasks = {name for name in MODULES if name.endswith(".command")}
    of_sounds = {name for name in MODULES if name.startswith("hear_cacophony.commands.")}
    assert set(COMMANDS.values()) == of_tasks | {name for name in of_sounds if not name.endswith("_options")}


def test_no_module_is_longer_than_a_few_screens():
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
