"""Features: one module for each, with the frontend that computes it. `features` is their registry."""

from audiospec.specs.base import features

__all__ = ["features"]
