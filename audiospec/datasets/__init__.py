"""Datasets: one module each. `datasets` is their registry."""

from audiospec.datasets.base import Dataset, datasets

__all__ = ["Dataset", "datasets"]
