"""Rules of the layout: small files, imports in one direction, no private names across packages."""

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
#: Most modules beside the packages of a folder, where readers begin.
MOST_MODULES = {"audiospec": 11, "zoo": 8}


def _module(package: str, folder: Path, file: Path) -> str:
    parts = file.relative_to(folder).with_suffix("").parts
    return ".".join([package, *(part for part in parts if part != "__init__")])


def _sources() -> dict[str, Path]:
    """Return module name → file, without files that are reached through links."""
    sources = {}
    for package, name in FOLDERS.items():
        folder = ROOT / name
        for file in sorted(folder.rglob("*.py")):
            if not any(parent.is_symlink() for parent in file.parents if parent.is_relative_to(folder)):
                sources[_module(package, folder, file)] = file
    return sources


SOURCES = _sources()


def _imports(module: str, file: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and imported name ("" for a whole module) of every import, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            for alias in node.names:
                full_name = f"{node.module}.{alias.name}"
                if full_name in SOURCES:
                    yield node.lineno, full_name, ""
                else:
                    yield node.lineno, str(node.module), alias.name


def test_sources_are_found() -> None:
    assert len(SOURCES) > 150
    assert {"audiospec.registry", "audiospec.zoo.base", "audiospec.cli", "audiospec.benchmarks.run"} <= {
        *SOURCES
    }


@pytest.mark.parametrize("module", SOURCES)
def test_files_are_small(module: str) -> None:
    """No file has 400 lines or more."""
    lines = len(SOURCES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, (
        f"{SOURCES[module]} has {lines} lines, expected at most {MOST_LINES}: split it"
    )


def test_files_in_c_are_small() -> None:
    files = sorted((ROOT / "audiospec" / "compiled" / "source").glob("*.[ch]"))
    assert len(files) > 10
    for file in files:
        lines = len(file.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, f"{file} has {lines} lines, expected at most {MOST_LINES}: split it"


@pytest.mark.parametrize("folder", MOST_MODULES)
def test_folders_have_few_modules(folder: str) -> None:
    modules = {file.stem for file in (ROOT / folder).glob("*.py")} - {"__init__", "__main__"}
    assert len(modules) <= MOST_MODULES[folder], sorted(modules)


def test_nothing_private_crosses_packages() -> None:
    """A module or name with a leading underscore is imported only inside its own package."""
    violations = []
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
                violations.append(f"{file.relative_to(ROOT)}:{line}: {target} {name}".rstrip())
    assert violations == []


def test_no_circle() -> None:
    """No module imports itself through others. Late imports and those for type checks count too."""
    graph = {
        module: {target for _, target, _ in _imports(module, file) if target in SOURCES and target != module}
        for module, file in SOURCES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(reversed(error.args[1]))}")
