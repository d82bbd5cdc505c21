"""The layout stays what it is: small files, imports that point one way, nothing private across packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "audiospec": "audiospec",
    "audiospec.zoo": "zoo",
    "audiospec.cli": "cli",
    "audiospec.benchmarks": "benchmarks",
}
MOST_LINES = 399
#: Modules that may stand beside the packages of a folder: what needs a reader's first look.
MOST_MODULES = {"audiospec": 11, "zoo": 8}


def _module(package: str, folder: Path, file: Path) -> str:
    parts = file.relative_to(folder).with_suffix("").parts
    return ".".join([package, *(part for part in parts if part != "__init__")])


def _sources() -> dict[str, Path]:
    """Module name → file; links, by which other folders are seen, are left out."""
    found = {}
    for package, name in FOLDERS.items():
        folder = ROOT / name
        for file in sorted(folder.rglob("*.py")):
            if not any(parent.is_symlink() for parent in file.parents if parent.is_relative_to(folder)):
                found[_module(package, folder, file)] = file
    return found


SOURCES = _sources()


def _imports(module: str, file: Path) -> Iterator[tuple[int, str, str]]:
    """Line, imported module and name ("" for a module) of every import, wherever it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in SOURCES:
                    yield node.lineno, whole, ""
                else:
                    yield node.lineno, str(node.module), alias.name


def test_sources_are_found() -> None:
    assert len(SOURCES) > 150
    assert {"audiospec.registry", "audiospec.zoo.base", "audiospec.cli", "audiospec.benchmarks.run"} <= {
        *SOURCES
    }


@pytest.mark.parametrize("module", SOURCES)
def test_files_are_small(module: str) -> None:
    """Nobody has to read a file of 400 lines."""
    lines = len(SOURCES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{SOURCES[module]} has {lines} lines: what are its two reasons to change?"


@pytest.mark.parametrize("folder", MOST_MODULES)
def test_few_modules_stand_alone(folder: str) -> None:
    modules = {file.stem for file in (ROOT / folder).glob("*.py")} - {"__init__", "__main__"}
    assert len(modules) <= MOST_MODULES[folder], sorted(modules)


def test_nothing_private_crosses_packages() -> None:
    """A module or name with a leading underscore is imported by its own package alone."""
    wrong = []
    for module, file in SOURCES.items():
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        for line, target, name in _imports(module, file):
            if target.split(".")[0] != "audiospec":
                continue
            home = target if name else target.rpartition(".")[0]
            if target in SOURCES and name:
                home = target if SOURCES[target].name == "__init__.py" else target.rpartition(".")[0]
            private = any(
                part.startswith("_") and not part.startswith("__") for part in (*target.split("."), name)
            )
            if private and home != package:
                wrong.append(f"{file.relative_to(ROOT)}:{line}: {target} {name}".rstrip())
    assert wrong == []


def test_no_circle() -> None:
    """No module imports itself through others; imports for types alone, and late ones, count as well."""
    graph = {
        module: {target for _, target, _ in _imports(module, file) if target in SOURCES and target != module}
        for module, file in SOURCES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(reversed(error.args[1]))}")
