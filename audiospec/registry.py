"""Registries: what there is of a kind (datasets, features, stores, models), found by module name.

Adding an entry is one file with one decorator. The file's name is the entry's name (``resnet18_gru.py``
holds ``resnet18-gru``), so listing a registry reads file names and the first line of each file, and
imports nothing. Other packages add entries through entry points of the registry's group::

    [project.entry-points."audiospec.datasets"]
    mine = "my_package.mine:Mine"
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from audiospec.errors import RegistryError, nearest

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])


class Registry(Generic[T]):
    """Entries of one kind: the modules of ``package``, then the entry points of ``group``.

    Parameters
    ----------
    kind : str
        What an entry is called in messages, such as ``"dataset"``.
    package : str
        Dotted name of the package whose modules hold the entries. Modules called ``base`` or with a
        leading underscore hold none.
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

    def register(self, entry: C) -> C:
        """Decorator: enter ``entry`` under the name of the module that defines it."""
        module: str = entry.__module__
        name = module.rpartition(".")[2].replace("_", "-")
        taken = module
        if name in self._modules():  # the package's own name, whether or not it is imported yet
            taken = f"{self.package}.{self._modules()[name]}"
        elif name in self._entries:
            taken = cast(Any, self._entries[name]).__module__
        if taken != module or self._entries.setdefault(name, cast(T, entry)) is not cast(T, entry):
            raise RegistryError(
                f"{self.kind} {name!r} is registered twice, by {taken} and by {module}: rename one"
            )
        return entry

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
                        f"module {self.package}.{modules[name]} registers no {self.kind} {name!r}: "
                        f"it needs a class under the {self.kind} registry's `register` decorator"
                    )
            elif name in points:
                self._entries[name] = points[name].load()
            else:
                choices = self.names()
                raise RegistryError(
                    f"no {self.kind} is called {name!r}{nearest(name, choices)} "
                    f"(there are: {', '.join(choices) or 'none'})"
                )
        return self._entries[name]

    def summary(self, name: str) -> str:
        """One line about an entry: the first line of its module's docstring, read without importing it.

        The line's own ``name: `` prefix, if it has one, is left out.
        """
        modules = self._modules()
        if name in modules:
            spec = find_spec(f"{self.package}.{modules[name]}")
            assert spec is not None
            assert spec.origin is not None
            doc = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
        else:
            doc = self[name].__doc__
        line = (doc or "").strip().partition("\n")[0]
        prefix, colon, rest = line.partition(": ")
        return rest if colon and prefix.lower() == name else line

    def _modules(self) -> dict[str, str]:
        """Entry name → module name, for the modules of the package."""
        package = importlib.import_module(self.package)
        names = (info.name for info in pkgutil.iter_modules(package.__path__) if not info.ispkg)
        return {name.replace("_", "-"): name for name in names if name != "base" and not name.startswith("_")}

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
