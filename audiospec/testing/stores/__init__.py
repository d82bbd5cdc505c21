"""StoreContract: tests that every store must pass, to inherit; Content: artificial content of a store."""

from audiospec.testing.stores.content import Content
from audiospec.testing.stores.contract import StoreContract

__all__ = ["Content", "StoreContract"]
