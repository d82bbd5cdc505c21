"""Engines run the tasks of a plan. One module for each engine; `engines` is their registry."""

from audiospec.engines.base import Engine, engines

__all__ = ["Engine", "engines"]
