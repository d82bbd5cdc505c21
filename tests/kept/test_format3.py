"""Stores with annotations, free columns and targets, as they were first written, are read as they were.

`make_format3.py` made the samples in `format3`.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import audiospec
from audiospec.pipeline.verify import verify

HERE = Path(__file__).parent
SAMPLES = HERE / "format3"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))


def described(store: audiospec.FeatureStore) -> dict[str, Any]:
    """What the script that made the samples says of a store."""
    spec = importlib.util.spec_from_file_location("make_format3", HERE / "make_format3.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.with_targets(store)
    return found


@pytest.mark.parametrize("name", list(EXPECTED))
def test_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(SAMPLES / f"{name}.zip") as packed:
        for member in packed.namelist():
            assert (tmp_path / member).resolve().is_relative_to(tmp_path), f"{name} would write {member}"
        packed.extractall(tmp_path)
    store = audiospec.open_store(tmp_path / name)
    assert described(store) == EXPECTED[name]
    assert verify(store.path).is_whole
    copy = store.export(tmp_path / f"copy{store.path.suffix}")
    assert described(copy) == EXPECTED[name]
