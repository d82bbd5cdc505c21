"""Pickles that must not be loaded, and ways to recognise a pickle."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import zipfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.features.base import one_thread
from audiospec.zoo.base import models


class PickleBomb:
    """Tells if anybody unpickles it."""

    went_off = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _go_off, ()


def _go_off() -> None:
    PickleBomb.went_off = True


class Foreign:
    """A type that no file of a model may bring along."""

    def __init__(self) -> None:
        self.value = 1


class _NoGlobals(pickle.Unpickler):
    """Unpickles plain values; tells of all that a pickle would import."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse."""
        raise PermissionError(f"{module}.{name}")


def is_pickle(content: bytes) -> bool:
    """Whether `pickle.loads` would take those bytes, or import something because of them."""
    try:
        _NoGlobals(io.BytesIO(content)).load()
    except PermissionError:
        return True
    except Exception:  # whatever a stream of nonsense brings about
        return False
    return True


def pickles_in(folder: Path) -> list[str]:
    """Names of files, also within zip archives and NumPy files, that hold a pickle."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts = {file.name: file.read_bytes()}
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                parts |= {f"{file.name}/{name}": archive.read(name) for name in archive.namelist()}
        for name, content in parts.items():
            if is_pickle(content) or name.endswith((".pkl", ".pickle", ".joblib")):
                found.append(name)
            elif content.startswith(b"\x93NUMPY"):
                try:
                    np.load(io.BytesIO(content), allow_pickle=False)
                except ValueError:
                    found.append(name)
    return found


@cache
def in_fresh_process() -> ProcessPoolExecutor:
    """An interpreter that was started anew, and has trained nothing."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def load_in_fresh_process(
    name: str,
    settings: dict[str, Any],
    classes: list[str],
    folder: Path,
    rows: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Probabilities by what a folder holds."""
    cls = models[name]
    model = cls(cls.Settings.replace_in(settings), rows.shape[1:], classes)
    model.load(folder)
    with one_thread():
        return model.predict_proba(rows)
