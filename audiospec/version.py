"""The version of audiospec."""

__version__ = "0.1.0"
