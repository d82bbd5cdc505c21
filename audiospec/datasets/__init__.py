"""Datasets: one module each. `datasets` is their registry."""

from audiospec.datasets.base import Dataset, PublishedDataset, Remote, datasets

__all__ = ["Dataset", "PublishedDataset", "Remote", "datasets"]
