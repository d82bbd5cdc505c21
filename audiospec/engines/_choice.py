"""Choose an engine from a number of workers."""

from __future__ import annotations

from audiospec.engines.base import Engine
from audiospec.engines.local import LocalEngine
from audiospec.engines.serial import SerialEngine
from audiospec.errors import EngineError
from audiospec.machine import usable_cores


def engine_for(workers: int | None) -> Engine:
    count = usable_cores() if workers is None else workers
    if count < 0:
        raise EngineError(f"`workers` must be at least 0; got {count}")
    return LocalEngine(count) if count else SerialEngine()
