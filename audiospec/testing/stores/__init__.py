"""StoreContract: what every store must do, as tests to inherit; Content: a store's made-up content."""

from audiospec.testing.stores.content import Content
from audiospec.testing.stores.contract import StoreContract

__all__ = ["Content", "StoreContract"]
