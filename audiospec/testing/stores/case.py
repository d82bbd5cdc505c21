"""StoreCase: the attributes and fixtures that the tests of a store share."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.view import View
from audiospec.testing.stores.content import WRITTEN, Content, publish


class StoreCase:
    """Base class of the tests of a store.

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
        """Return a path for a store; it does not exist yet."""
        return tmp_path / f"some store{self.suffix}"

    @pytest.fixture
    def content(self) -> Content:
        """Return the content of `view`."""
        return Content.make()

    @pytest.fixture
    def view(self, content: Content, tmp_path_factory: pytest.TempPathFactory) -> View:
        """Return a view to read only: all tests share its store, which is written once."""
        if self.store not in WRITTEN:
            path = tmp_path_factory.mktemp("store") / f"read{self.suffix}"
            publish(self.store, path, content)
            WRITTEN[self.store] = path
        return self.store(WRITTEN[self.store]).view()
