"""Stores that cannot be written to, or not even read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audiospec.errors import StoreError
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.lock import locked
from audiospec.testing.stores.content import Content, assert_holds, one_line

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@contextmanager
def permissions(path: Path, mode: int) -> Iterator[None]:
    """Change the permissions of all files at a path during a block; folders stay searchable."""
    files = sorted([path, *path.rglob("*")], reverse=True)
    before = {file: file.stat().st_mode for file in files}
    for file in files:
        os.chmod(file, mode | (0o111 if file.is_dir() and mode else 0))
    yield
    for file in reversed(files):
        os.chmod(file, before[file])


def read(kind: type[FeatureStore], path: Path) -> list[int]:
    assert_holds(kind(path).view(), Content.make())
    return kind(path).view().damaged().tolist()


def message_of(act: Callable[..., Any], *args: Any) -> str:
    try:
        act(*args)
    except StoreError as error:
        return str(error)
    return "no error"


def hold(path: Path) -> None:
    with locked(path):
        pass


def test_reading_from_a_read_only_folder(
    kind: type[FeatureStore], path: Path, unprivileged: Callable[..., Any]
) -> None:
    with permissions(path.parent, 0o444):
        assert unprivileged(os.access, path.parent, os.W_OK) is False
        assert unprivileged(read, kind, path) == []


def test_writing_to_a_read_only_folder(
    kind: type[FeatureStore], path: Path, unprivileged: Callable[..., Any]
) -> None:
    target = path.with_name(f"copy{path.suffix}")
    with permissions(path.parent, 0o444):
        for message in (
            unprivileged(message_of, hold, path),
            unprivileged(message_of, kind(path).export, target),
        ):
            assert "cannot write" in message
            assert "\n" not in message
    assert sorted(path.parent.iterdir()) == [path]


def test_reading_without_permission(
    kind: type[FeatureStore], path: Path, unprivileged: Callable[..., Any]
) -> None:
    with permissions(path, 0):
        message = unprivileged(message_of, kind, path)
    assert "Permission denied" in message
    assert "damaged" not in message
    one_line(message, str(path))
