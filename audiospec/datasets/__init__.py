"""Datasets, one module each, and their registry `datasets`."""

from audiospec.datasets.base import Dataset, DownloadedDataset, PublishedDataset, datasets
from audiospec.datasets.download.remote import Remote

__all__ = ["Dataset", "DownloadedDataset", "PublishedDataset", "Remote", "datasets"]
