"""Engines: where tasks run. One module an engine; `engines` is their registry."""

from audiospec.engines.base import Engine, engines

__all__ = ["Engine", "engines"]
