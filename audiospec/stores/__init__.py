"""Feature stores: one module a format. `stores` is their registry."""

from audiospec.stores.base import FeatureStore, View, open_store, stores

__all__ = ["FeatureStore", "View", "open_store", "stores"]
