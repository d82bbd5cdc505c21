"""Fixtures: a store of each format with the same content, and a process without root's privileges."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from audiospec.stores import FeatureStore, stores
from audiospec.testing.stores.content import Content, publish


@pytest.fixture(params=list(stores))
def kind(request: pytest.FixtureRequest) -> type[FeatureStore]:
    """Return each registered store's class in turn."""
    store: type[FeatureStore] = stores[request.param]
    return store


@pytest.fixture
def content() -> Content:
    """Return content of ten rows in shards of four rows."""
    return Content.make()


@pytest.fixture
def path(kind: type[FeatureStore], content: Content, tmp_path: Path) -> Path:
    """Return the path of a store with the content."""
    path = tmp_path / f"store{kind.suffixes[0]}"
    publish(kind, path, content)
    return path


@pytest.fixture
def unprivileged() -> Callable[..., Any]:
    """Return a function that calls another in a process that has to respect files' permissions."""
    if os.geteuid() == 0 and _drop(None):
        pytest.skip("root's privileges cannot be dropped here")

    def call(function: Callable[..., Any], *args: Any) -> Any:
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(1, fork, initializer=_drop, initargs=((),)) as pool:
            return pool.submit(function, *args).result()

    return call


def _drop(capabilities: tuple[()] | None) -> int:
    """Drop root's right to ignore permissions; with None, only check whether that is possible."""
    if os.geteuid() != 0:
        return 0
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
        data = (ctypes.c_uint32 * 6)()
        if capabilities is None:
            return int(libc.capget(header, data))
        return int(libc.capset(header, data))
    except AttributeError:  # not Linux
        return 1
