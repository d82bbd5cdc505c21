"""StoreCase: what the tests of a store share: its class, its suffix, and a view to read."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.view import View
from audiospec.testing.stores.content import (
    WRITTEN,
    Content,
    publish,
)


class StoreCase:
    """What the contract of a store shares.

    Attributes
    ----------
    store : type of FeatureStore
        The store's class.
    suffix : str
        One of its suffixes.
    """

    store: ClassVar[type[FeatureStore]]
    suffix: ClassVar[str]

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Return a place for a store; nothing is there."""
        return tmp_path / f"some store{self.suffix}"

    @pytest.fixture
    def content(self) -> Content:
        """Return the content of `view`."""
        return Content.make()

    @pytest.fixture
    def view(self, content: Content, tmp_path_factory: pytest.TempPathFactory) -> View:
        """Return a view of a store that tests only read; it is written once."""
        if self.store not in WRITTEN:
            path = tmp_path_factory.mktemp("store") / f"read{self.suffix}"
            publish(self.store, path, content)
            WRITTEN[self.store] = path
        return self.store(WRITTEN[self.store]).view()
