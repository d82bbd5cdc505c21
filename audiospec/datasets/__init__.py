"""Datasets: one module each. `datasets` is their registry."""

from audiospec.datasets.base import Dataset, PublishedDataset, datasets
from audiospec.datasets.download.remote import Remote

__all__ = ["Dataset", "PublishedDataset", "Remote", "datasets"]
