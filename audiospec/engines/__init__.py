"""Engines: where shard tasks run."""

from audiospec.engines.base import Engine

__all__ = ["Engine"]
