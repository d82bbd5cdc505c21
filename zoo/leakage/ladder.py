"""The ladder: the result of `leakage`, and its file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiospec.errors import RunError
from audiospec.files import disk_full_errors, read_json, write_bytes
from audiospec.zoo.leakage.gap import Gap

#: Name of a ladder's file.
FILE = "leakage.json"
VERSION = 1
#: Largest size in bytes of the file.
MOST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One rung: what may leak, how often it does, and what it adds to the accuracy.

    Attributes
    ----------
    name : str
        ``"tracks"``, ``"copies"``, ``"groups"`` or ``"store"``.
    leak : str
        What leaks, in words.
    noun : str
        What the units are that were tested, in the plural.
    leaking : float
        Mean number of test rows that leak in an ordinary split of this rung.
    tested : int
        Mean number of test rows of such a split.
    gap : Gap or None
        None: nothing can leak, or it cannot be measured.
    reason : str
        Why `gap` is None, else ``""``.
    """

    name: str
    leak: str
    noun: str
    leaking: float
    tested: int
    gap: Gap | None
    reason: str

    @property
    def verdict(self) -> str:
        """The result in words; it has a number only if something can leak."""
        return self.reason if self.gap is None else self.gap.words(self.noun)


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """What leaks add to the accuracy of a model, rung by rung.

    Attributes
    ----------
    model : str
    settings : dict
        The model's parameters.
    dataset, store, view : str
    other : str
        Path of the other store, or ``""``.
    classes : list of str
    seeds : list of int
    rungs : list of Rung
        The weakest split first.
    trainings : int
        Number of trainings that it took.
    date : str
        ``YYYY-MM-DD``.
    versions : dict
        Library → version.
    path : Path or None
        The file that it is in.
    """

    model: str
    settings: dict[str, Any]
    dataset: str
    store: str
    view: str
    other: str
    classes: list[str]
    seeds: list[int]
    rungs: list[Rung]
    trainings: int
    date: str
    versions: dict[str, str]
    path: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the ladder as plain JSON values, with the verdict of each rung."""
        values = dataclasses.asdict(self)
        del values["path"]
        for rung, made in zip(self.rungs, values["rungs"], strict=True):
            made["verdict"] = rung.verdict
        return {"audiospec_leakage": VERSION, **values}


def write_ladder(ladder: Ladder, path: Path) -> None:
    """Write a ladder's file; an existing one is replaced.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    content = json.dumps(ladder.to_dict(), indent=2, allow_nan=False) + "\n"
    try:
        with disk_full_errors(path):
            write_bytes(path, content.encode())
    except OSError as error:
        raise RunError(f"cannot write {path} ({error.strerror})", "choose another `runs`") from error


def read_ladder(path: Path) -> Ladder:
    """Read a ladder's file.

    Raises
    ------
    RunError
        The file cannot be read, or is not a ladder.
    """
    try:
        values = read_json(path, MOST_BYTES)
        if not isinstance(values, dict) or values.pop("audiospec_leakage", None) != VERSION:
            raise ValueError(f"it is not of version {VERSION}")
        rungs = [_rung(rung) for rung in _typed(values.pop("rungs"), list)]
        names = {field.name for field in dataclasses.fields(Ladder)} - {"rungs", "path"}
        if {*values} != names:
            raise ValueError("it has other fields")
        for name in ("model", "dataset", "store", "view", "other", "date"):
            _typed(values[name], str)
        for name, item in (("classes", str), ("seeds", int)):
            for value in _typed(values[name], list):
                _typed(value, item)
        _typed(values["settings"], dict)
        _typed(values["trainings"], int)
        _typed(values["versions"], dict)
        return Ladder(**values, rungs=rungs, path=path)
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise RunError(
            f"{path} is not a result of `audiospec leakage` ({reason[:100]})",
            "remove it, or run the command again",
        ) from error


def _rung(values: Any) -> Rung:
    values = dict(_typed(values, dict))
    values.pop("verdict", None)  # follows from the others
    for name in ("name", "leak", "noun", "reason"):
        _typed(values[name], str)
    _number(values["leaking"])
    _number(values["tested"])
    gap = values.pop("gap")
    return Rung(**values, gap=None if gap is None else _gap(gap))


def _gap(values: Mapping[str, Any]) -> Gap:
    for name, value in _typed(values, dict).items():
        whole = name in ("seeds", "units", "rows", "changed")
        if whole:
            _typed(value, int)
        elif not -1 <= _number(value) <= 1:
            raise ValueError(f"{name} is not from -1 to 1")
    return Gap(**values)


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"expected {kind.__name__}; got {type(value).__name__}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"expected a number; got {type(value).__name__}")
    return float(value)
