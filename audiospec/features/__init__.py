"""Features: one module each, holding the frontend that computes it. `features` is their registry."""

from audiospec.spec import features

__all__ = ["features"]
