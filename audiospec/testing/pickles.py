"""Pickles that must not be loaded, and functions that recognise pickles."""

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
    """An object that sets `went_off` when it is unpickled."""

    went_off = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _go_off, ()


def _go_off() -> None:
    PickleBomb.went_off = True


class Foreign:
    """A type that no file of a model may contain."""

    def __init__(self) -> None:
        self.value = 1


class _NoGlobals(pickle.Unpickler):
    """Unpickles plain values, and raises `PermissionError` if a pickle would import anything."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse to import."""
        raise PermissionError(f"{module}.{name}")


def is_pickle(content: bytes) -> bool:
    """Return whether `pickle.loads` would accept these bytes, or import something because of them."""
    try:
        _NoGlobals(io.BytesIO(content)).load()
    except PermissionError:
        return True
    except Exception:  # arbitrary bytes can raise any exception
        return False
    return True


def pickles_in(folder: Path) -> list[str]:
    """Return the names of files that contain a pickle, also within zip archives and NumPy files."""
    pickles = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts = {file.name: file.read_bytes()}
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                parts |= {f"{file.name}/{name}": archive.read(name) for name in archive.namelist()}
        for name, content in parts.items():
            if is_pickle(content) or name.endswith((".pkl", ".pickle", ".joblib")):
                pickles.append(name)
            elif content.startswith(b"\x93NUMPY"):
                try:
                    np.load(io.BytesIO(content), allow_pickle=False)
                except ValueError:
                    pickles.append(name)
    return pickles


@cache
def in_fresh_process() -> ProcessPoolExecutor:
    """Return an executor with one new interpreter, which has trained nothing."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def load_in_fresh_process(
    name: str,
    settings: dict[str, Any],
    classes: list[str],
    folder: Path,
    rows: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Load a model from a folder, and return its probabilities of rows."""
    cls = models[name]
    model = cls(cls.Settings.replace_in(settings), rows.shape[1:], classes)
    model.load(folder)
    with one_thread():
        return model.predict_proba(rows)
