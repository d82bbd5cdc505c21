"""Feature stores, one module for each format; `stores` is their registry."""

from audiospec.stores.base import FeatureStore, open_store, stores
from audiospec.stores.layout.view import View

__all__ = ["FeatureStore", "View", "open_store", "stores"]
