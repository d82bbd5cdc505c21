"""Registries: the entries of one kind (datasets, features, stores, models), found by reading their files.

Adding an entry is one file with one decorator. Its name is that of the file (``resnet18_gru.py`` holds
``resnet18-gru``), or the one that the decorator gives; so a file may hold several::

    @models.register(name="knn-5")
    class Knn5(Knn1): ...

Listing a registry parses the files and imports none of them: an entry stands at the top level of its file,
and its name is a literal. Other packages add entries through entry points of the registry's group::

    [project.entry-points."audiospec.datasets"]
    mine = "my_package.mine:Mine"
"""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, overload

from audiospec.errors import RegistryError, nearest

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Entries of one kind: those in the modules of ``package``, then the entry points of ``group``.

    Parameters
    ----------
    kind : str
        What an entry is called in messages, such as ``"dataset"``.
    package : str
        Dotted name of the package whose modules hold the entries. Modules called ``base`` or with a
        leading underscore, and sub-packages, hold none.
    group : str
        Entry-point group through which other packages add theirs, such as ``"audiospec.datasets"``.

    Raises
    ------
    RegistryError
        From every method: a name that is unknown (with the choices and the nearest one) or taken twice.
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
        """Decorator: enter a class or function, by ``@models.register`` or ``….register(name="knn-5")``.

        Parameters
        ----------
        entry : class or function
        name : str or None
            The entry's name. None: that of the module that defines it, with ``-`` for ``_``.

        Raises
        ------
        RegistryError
            The name is taken; or the module is one of ours, and listing the registry does not find it there.
        """
        if entry is not None and not callable(entry):
            raise RegistryError(
                f"a {self.kind} is registered under a name given by keyword; got {entry!r}: write "
                f"register(name={entry!r})"
            )

        def enter(entry: C) -> C:
            own = entry.__module__.rpartition(".")[2].replace("_", "-")
            self._enter(own if name is None else name, entry.__module__, cast(T, entry))
            return entry

        return enter if entry is None else enter(entry)

    def names(self) -> list[str]:
        """Names of all entries, sorted; imports none of them."""
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
                        f"decorator `register` is not that of the {self.kind} registry"
                    )
            elif name in points:
                entry = points[name].load()
                if self._entries.setdefault(name, entry) is not entry:
                    other = cast(Any, self._entries[name]).__module__
                    raise RegistryError(self._taken_twice(name, other, points[name].value))
            else:
                raise RegistryError(self._unknown(name))
        return self._entries[name]

    def summary(self, name: str) -> str:
        """One line about an entry, read without importing it.

        It is the first line of its module's docstring; where a module holds several entries, that of the
        class's (or function's) own. The line's ``name: `` prefix, if it has one, is left out.
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

    def _enter(self, name: str, module: str, entry: T) -> None:
        """Take in an entry that `module` registers."""
        modules = self._modules()
        taken = module
        if name in modules:  # the package's own name, whether or not it is imported yet
            taken = f"{self.package}.{modules[name]}"
        elif module.startswith(f"{self.package}."):
            raise RegistryError(
                f"module {module} registers {self.kind} {name!r} where no list finds it: an entry stands at "
                f"the top level of a public module of {self.package}, and its name is written out there"
            )
        elif name in self._entries:
            taken = cast(Any, self._entries[name]).__module__
        if taken != module or self._entries.setdefault(name, entry) is not entry:
            raise RegistryError(self._taken_twice(name, taken, module))

    def _sources(self) -> dict[str, _Source]:
        """Module name → what its source says, for each module of the package that may hold entries."""
        found = {}
        for info in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            if not info.ispkg and info.name != "base" and not info.name.startswith("_"):
                spec = find_spec(f"{self.package}.{info.name}")
                found[info.name] = _source_of(info.name, "" if spec is None else spec.origin or "")
        return found

    def _modules(self) -> dict[str, str]:
        """Entry name → module name, for the entries of the package; refuses a name that two modules have."""
        found: dict[str, str] = {}
        for module, source in self._sources().items():
            for name in source.entries:
                other = found.setdefault(name, module)
                if other != module:
                    raise RegistryError(
                        self._taken_twice(name, f"{self.package}.{other}", f"{self.package}.{module}")
                    )
        return found

    def _entry_points(self) -> dict[str, EntryPoint]:
        """Entry name → entry point, refusing a name that is taken already."""
        modules = self._modules()
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            other = found.get(point.name)
            if point.name in modules or (other is not None and other.value != point.value):
                taken = self.package if other is None else other.value
                raise RegistryError(
                    f"{self.kind} {point.name!r} of {point.value} is taken already by {taken}: "
                    "uninstall one of the two packages"
                )
            found[point.name] = point
        return found

    def _taken_twice(self, name: str, one: str, other: str) -> str:
        return f"{self.kind} {name!r} is registered twice, by {one} and by {other}: rename one"

    def _unknown(self, name: str) -> str:
        """Why there is no entry of that name: also what is wrong with modules that ought to have one."""
        problems = {module: source.problem for module, source in self._sources().items() if source.problem}
        for module, problem in problems.items():
            if module.replace("_", "-") == name:
                return f"module {self.package}.{module} registers no {self.kind} {name!r}: {problem}"
        choices = self.names()
        others = [f"; module {self.package}.{module} is left out: {why}" for module, why in problems.items()]
        return (
            f"no {self.kind} is called {name!r}{nearest(name, choices)} "
            f"(there are: {', '.join(choices) or 'none'}){''.join(others)}"
        )


@dataclass(frozen=True)
class _Source:
    """What a module's source says of its entries.

    Attributes
    ----------
    doc : str
        The module's docstring.
    entries : mapping
        Entry name → docstring of its class or function.
    problem : str
        Why an entry, or all of them, cannot be listed, and what to do; empty if nothing is wrong.
    """

    doc: str
    entries: Mapping[str, str]
    problem: str


def _source_of(module: str, file: str) -> _Source:
    """What a module's file says; read once, and again when it has changed."""
    try:
        stat = os.stat(file)
        return _parsed(module, file, stat.st_mtime_ns, stat.st_size)
    except (OSError, SyntaxError, ValueError) as error:  # ValueError: no text
        return _Source("", {}, f"its source cannot be read ({error}); correct it")


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
                    f"line {decorator.lineno} gives a name that cannot be read without running it; write it "
                    f'out, as in register(name="{module.replace("_", "-")}")'
                )
            else:
                entries[name] = ast.get_docstring(node) or ""
    if not entries and not problem:
        problem = (
            "it needs a class at its top level under the registry's `register` decorator; a module that "
            "holds no entry belongs in a sub-package"
        )
    return _Source(ast.get_docstring(tree) or "", entries, problem)


def _registers(decorator: ast.expr) -> bool:
    """Whether a decorator is ``….register`` or ``….register(…)``."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr == "register"


def _name_in(decorator: ast.expr, default: str) -> str | None:
    """The name that a decorator gives its entry; None if it is no literal."""
    if not isinstance(decorator, ast.Call):
        return default
    if decorator.args or any(keyword.arg != "name" for keyword in decorator.keywords):
        return None
    if not decorator.keywords:
        return default
    given = decorator.keywords[0].value
    value = given.value if isinstance(given, ast.Constant) else given
    return default if value is None else value if isinstance(value, str) else None
