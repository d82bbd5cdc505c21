"""Registries: named entries of one kind (datasets, features, stores, models), found by parsing source files.

An entry is added by one file with one decorator. Its name is the file's (``resnet18_gru.py`` contains
``resnet18-gru``) or the one given to the decorator, so a file may contain several::

    @models.register(name="knn-5")
    class Knn5(Knn1): ...

Listing a registry parses the files without importing them. Therefore an entry is defined at the top level of
its file, and its name is a literal. Other packages add entries through entry points of the registry's group::

    [project.entry-points."audiospec.datasets"]
    mine = "my_package.mine:Mine"
"""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from audiospec.errors import RegistryError, nearest

if TYPE_CHECKING:  # it takes longer to import than a worker's own code
    from importlib.metadata import EntryPoint

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Entries of one kind: those in the modules of ``package`` and the entry points of ``group``.

    Parameters
    ----------
    kind : str
        What an entry is called in messages, such as ``"dataset"``.
    package : str
        Dotted name of the package whose modules define the entries. Modules called ``base``, modules with a
        leading underscore, and sub-packages are not searched.
    group : str
        Entry-point group through which other packages add entries, such as ``"audiospec.datasets"``.

    Raises
    ------
    RegistryError
        From every method: a name is unknown (the message lists the choices and the nearest one) or is
        registered twice.
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind = kind
        self.package = package
        self.group = group
        self._entries: dict[str, T] = {}

    @overload
    def register(self, entry: C, /) -> C: ...

    @overload
    def register(self, entry: None = None, /, *, name: str | None = None) -> Callable[[C], C]: ...

    def register(self, entry: C | None = None, /, *, name: str | None = None) -> C | Callable[[C], C]:
        """Register a class or function; a decorator, with or without ``name``.

        Parameters
        ----------
        entry : class or function
        name : str or None
            The entry's name. None: the name of the module that defines it, with ``-`` for ``_``.

        Raises
        ------
        RegistryError
            The name is taken, or the entry is in the registry's package where listing does not find it.
        """
        if entry is not None and not callable(entry):
            raise RegistryError(
                f"the name of a {self.kind} is given by keyword; got {entry!r}",
                f"write register(name={entry!r})",
            )

        def enter(entry: C) -> C:
            default = entry.__module__.rpartition(".")[2].replace("_", "-")
            self._add(default if name is None else name, entry.__module__, cast(T, entry))
            return entry

        return enter if entry is None else enter(entry)

    def names(self) -> list[str]:
        """Return the names of all entries, sorted, without importing them."""
        return sorted({*self._modules(), *self._entry_points()})

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __getitem__(self, name: str) -> T:
        """Import and return the entry called ``name``."""
        if name not in self._entries:
            modules, points = self._modules(), self._entry_points()
            if name in modules:
                importlib.import_module(f"{self.package}.{modules[name]}")
                if name not in self._entries:
                    raise RegistryError(
                        f"module {self.package}.{modules[name]} registers no {self.kind} {name!r}: its "
                        "`register` decorator belongs to another registry",
                        f"use the decorator of the {self.kind} registry",
                    )
            elif name in points:
                entry = points[name].load()
                if self._entries.setdefault(name, entry) is not entry:
                    other = cast(Any, self._entries[name]).__module__
                    raise self._duplicate(name, other, points[name].value)
            else:
                raise self._unknown(name)
        return self._entries[name]

    def summary(self, name: str) -> str:
        """Return one line about an entry, without importing an entry of the registry's package.

        It is the first line of the module's docstring, or of the class's (or function's) docstring if the
        module defines several entries. A ``name: `` prefix is removed.
        """
        modules = self._modules()
        if name in modules:
            source = self._sources()[modules[name]]
            doc = source.doc if len(source.entries) == 1 else source.entries[name]
        else:
            doc = self[name].__doc__ or ""
        line = doc.strip().partition("\n")[0]
        prefix, colon, rest = line.partition(": ")
        return rest if colon and prefix.lower() == name.lower() else line

    def _add(self, name: str, module: str, entry: T) -> None:
        """Add an entry that `module` registers."""
        modules = self._modules()
        owner = module
        if name in modules:  # reserved by the package, even before the module is imported
            owner = f"{self.package}.{modules[name]}"
        elif module.startswith(f"{self.package}."):
            raise RegistryError(
                f"module {module} registers {self.kind} {name!r} where listing cannot find it",
                f"define it at the top level of a public module of {self.package}, with a literal name",
            )
        elif name in self._entries:
            owner = cast(Any, self._entries[name]).__module__
        if owner != module or self._entries.setdefault(name, entry) is not entry:
            raise self._duplicate(name, owner, module)

    def _sources(self) -> dict[str, _Source]:
        """Module name → parsed source, for each module of the package that may define entries."""
        sources = {}
        for info in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            if not info.ispkg and info.name != "base" and not info.name.startswith("_"):
                spec = find_spec(f"{self.package}.{info.name}")
                sources[info.name] = _source_of(info.name, "" if spec is None else spec.origin or "")
        return sources

    def _modules(self) -> dict[str, str]:
        """Entry name → module name, for the package; raises if two modules register one name."""
        homes: dict[str, str] = {}
        for module, source in self._sources().items():
            for name in source.entries:
                other = homes.setdefault(name, module)
                if other != module:
                    raise self._duplicate(name, f"{self.package}.{other}", f"{self.package}.{module}")
        return homes

    def _entry_points(self) -> dict[str, EntryPoint]:
        """Entry name → entry point; raises if a name is taken already."""
        modules = self._modules()
        points: dict[str, EntryPoint] = {}
        for point in _points_of(self.group, tuple(map(_modified, sys.path))):
            other = points.get(point.name)
            if point.name in modules or (other is not None and other.value != point.value):
                owner = self.package if other is None else other.value
                raise RegistryError(
                    f"{self.kind} name {point.name!r} of {point.value} is already taken by {owner}",
                    "uninstall one of the two packages",
                )
            points[point.name] = point
        return points

    def _duplicate(self, name: str, one: str, other: str) -> RegistryError:
        return RegistryError(
            f"{self.kind} {name!r} is registered twice, by {one} and by {other}", "rename one"
        )

    def _unknown(self, name: str) -> RegistryError:
        """Return the error for an unknown name; it includes the problems of modules without entries."""
        problems = {module: source.problem for module, source in self._sources().items() if source.problem}
        for module, problem in problems.items():
            if module.replace("_", "-") == name:
                return RegistryError(
                    f"module {self.package}.{module} registers no {self.kind} {name!r}", problem
                )
        choices = self.names()
        skipped = [f"; module {self.package}.{module} is skipped: {why}" for module, why in problems.items()]
        return RegistryError(
            f"no {self.kind} is called {name!r}{nearest(name, choices)} "
            f"(there are: {', '.join(choices) or 'none'}){''.join(skipped)}"
        )


def _modified(path: str) -> tuple[str, int]:
    """Return a folder of packages, and when one was last installed or removed there."""
    try:
        return path, os.stat(path or ".").st_mtime_ns
    except (OSError, ValueError):
        return path, 0


@cache
def _points_of(group: str, _folders: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group; reading them takes 0.1 ms for each installed package."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=group))


@dataclass(frozen=True)
class _Source:
    """The entries of a module, as parsed from its source.

    Attributes
    ----------
    doc : str
        The module's docstring.
    entries : mapping
        Entry name → docstring of its class or function.
    problem : str
        Why an entry, or every entry, cannot be listed, and what to do; ``""`` if nothing is wrong.
    """

    doc: str
    entries: Mapping[str, str]
    problem: str


def _source_of(module: str, file: str) -> _Source:
    """Parse a module's file; the result is cached until the file changes."""
    try:
        stat = os.stat(file)
        return _parsed(module, file, stat.st_mtime_ns, stat.st_size)
    except (OSError, SyntaxError, ValueError) as error:  # ValueError: a NUL byte
        return _Source("", {}, f"its source cannot be parsed ({error}); correct it")


@cache
def _parsed(module: str, file: str, _modified: int, _size: int) -> _Source:
    tree = ast.parse(Path(file).read_bytes(), file)
    entries: dict[str, str] = {}
    problem = ""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        for decorator in filter(_registers, node.decorator_list):
            name = _name_in(decorator, module.replace("_", "-"))
            if name is None:
                problem = (
                    f"line {decorator.lineno} gives a name that is not a literal; write it out, as in "
                    f'register(name="{module.replace("_", "-")}")'
                )
            else:
                entries[name] = ast.get_docstring(node) or ""
    if not entries and not problem:
        problem = (
            "it has no class at its top level with the registry's `register` decorator; move a module "
            "without entries to a sub-package"
        )
    return _Source(ast.get_docstring(tree) or "", entries, problem)


def _registers(decorator: ast.expr) -> bool:
    """Whether a decorator is ``….register`` or ``….register(…)``."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Attribute) and function.attr == "register"


def _name_in(decorator: ast.expr, default: str) -> str | None:
    """Return the name that a decorator gives its entry; None if it is not a literal."""
    if not isinstance(decorator, ast.Call):
        return default
    if decorator.args or any(keyword.arg != "name" for keyword in decorator.keywords):
        return None
    if not decorator.keywords:
        return default
    argument = decorator.keywords[0].value
    value = argument.value if isinstance(argument, ast.Constant) else argument
    return default if value is None else value if isinstance(value, str) else None
