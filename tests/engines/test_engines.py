"""Which engine a run gets, and how errors are carried."""

from __future__ import annotations

import json

import pytest

from audiospec.engines.base import describe_error, make_engine, restore_error
from audiospec.engines.local import LocalEngine
from audiospec.engines.serial import SerialEngine
from audiospec.errors import DiskFullError, EngineError, RegistryError
from audiospec.machine import usable_cores


def test_an_engine_is_chosen_by_the_number_of_workers() -> None:
    assert isinstance(make_engine(), LocalEngine)
    assert make_engine().workers == usable_cores()
    assert isinstance(make_engine(None, 0), SerialEngine)
    assert isinstance(make_engine(None, 3), LocalEngine)
    assert make_engine(None, 3).workers == 3


def test_an_engine_is_made_by_its_name() -> None:
    assert isinstance(make_engine("serial"), SerialEngine)
    assert make_engine("local", 5).workers == 5
    with pytest.raises(RegistryError, match="no engine is called 'locl'; did you mean 'local'"):
        make_engine("locl")


def test_an_engine_that_is_made_is_taken_as_it_is() -> None:
    engine = LocalEngine(2)
    assert make_engine(engine) is engine
    with pytest.raises(EngineError, match="`workers` must be None with an engine that exists already; got 2"):
        make_engine(engine, 2)


@pytest.mark.parametrize(("name", "workers"), [(None, -1), ("local", -1), ("local", 0), ("serial", 2)])
def test_a_number_of_workers_that_an_engine_cannot_have(name: str | None, workers: int) -> None:
    with pytest.raises(EngineError, match=rf"got {workers}\b"):
        make_engine(name, workers)


def test_an_error_is_carried_as_json() -> None:
    try:
        raise DiskFullError("full")
    except DiskFullError as error:
        described = json.loads(json.dumps(describe_error(error)))
    restored = restore_error(described)
    assert type(restored) is DiskFullError
    assert str(restored) == "full"
    assert "test_an_error_is_carried_as_json" in described["traceback"]


@pytest.mark.parametrize(
    "error", [KeyError("x"), OSError(28, "full"), type("nearest", (Exception,), {})("x")]
)
def test_an_error_of_another_kind_becomes_an_engine_error(error: Exception) -> None:
    restored = restore_error(describe_error(error))
    assert type(restored) is EngineError
    assert f"{type(error).__name__}: {error}" in str(restored)
