"""FolderContract for a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiospec.storage.base import Folder
from audiospec.storage.opening import open_folder
from audiospec.testing.folders import FolderContract


class TestDisk(FolderContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Folder:
        return open_folder(tmp_path / "a folder#1")
