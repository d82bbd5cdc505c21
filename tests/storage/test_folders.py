"""FolderContract for moto's S3 and for a memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

from audiospec.storage.base import Folder
from audiospec.storage.location import Url
from audiospec.storage.objects import BucketFolder
from audiospec.storage.opening import open_folder
from audiospec.testing.buckets import bucket
from audiospec.testing.folders import FolderContract


class TestMemory(FolderContract):
    @pytest.fixture
    def folder(self) -> Folder:
        from obstore.store import MemoryStore

        return BucketFolder(Url("s3", "memory", "a/folder"), MemoryStore())


class TestGenerations(FolderContract):
    """Google's way: what is replaced is a generation, which a list does not name."""

    @pytest.fixture
    def folder(self) -> Folder:
        from obstore.store import MemoryStore

        return BucketFolder(Url("gs", "memory", "a/folder"), MemoryStore())


class TestMoto(FolderContract):
    @pytest.fixture
    def folder(self) -> Iterator[Folder]:
        with bucket() as url:
            yield open_folder(url / "a folder#1/ü")


@pytest.mark.long
class TestWholeBucket(FolderContract):
    @pytest.fixture
    def folder(self) -> Iterator[Folder]:
        with bucket() as url:
            yield open_folder(url)
