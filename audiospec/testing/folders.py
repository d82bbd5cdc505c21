"""FolderContract: tests of what every folder must do, of a disk or of a bucket, to be inherited.

The tests of a folder are one class::

    class TestMine(FolderContract):
        @pytest.fixture
        def folder(self):
            return MyFolder(...)  # empty
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from audiospec.errors import StoreBusyError
from audiospec.storage.base import NEW, ConflictError, Folder

#: Names that a URL, XML or a shell would change. (Azure turns a backslash into a slash.)
ODD_KEYS = (
    *("a b", "a#b", "a?b=c&d", "a%b", "a%20b", "a+b", "a~b*", "[x]{y}", "<x>&amp;", "q'\"", " first"),
    *("a/b/c/d", "ü/é 日本", "UPPER", "upper", "a.b..c", "=", "$HOME", "😀"),
)


def _keys(folder: Folder, prefix: str = "") -> list[str]:
    return [entry.key for entry in folder.list(prefix)]


def _buffer(length: int) -> memoryview:
    return memoryview(bytearray(length))


class FolderContract:
    """Tests that every folder passes. A subclass has a fixture `folder`, which is empty."""

    def test_holds_what_was_written(self, folder: Folder) -> None:
        """Bytes are read as they were written, whole, in part and from the end."""
        content = bytes(range(256)) * 40
        version = folder.write("a/b", content[:1000], memoryview(content)[1000:])
        assert folder.read("a/b") == content
        assert folder.load("a/b") == (content, version)
        assert folder.read("a/b", 200) == content[200:]
        assert folder.read("a/b", 200, 100) == content[200:300]
        assert folder.read("a/b", 10_000, 1000) == content[10_000:]
        assert folder.read("a/b", len(content), 5) == folder.read("a/b", 99_999) == b""
        assert folder.read("a/b", 7, 0) == b""
        assert folder.tail("a/b", 5) == (content[-5:], len(content))
        assert folder.tail("a/b", 99_999) == (content, len(content))
        assert folder.tail("a/b", 0) == (b"", len(content))

    def test_one_version_is_read(self, folder: Folder) -> None:
        """Bytes of another version are never returned for those of the one that was meant."""
        version = folder.write("a/b", b"content")
        assert bytes(folder.read_version("a/b", version, 2, 3)) == b"nte"
        assert bytes(folder.read_version("a/b", version, 5, 30)) == b"nt"
        other = folder.write("a/b", b"CONTENT, and more")
        with pytest.raises(ConflictError):
            folder.read_version("a/b", version, 2, 3)
        assert bytes(folder.read_version("a/b", other, 2, 3)) == b"NTE"
        folder.remove(["a/b"])
        with pytest.raises(FileNotFoundError):
            folder.read_version("a/b", other, 2, 3)

    def test_holds_empty_files(self, folder: Folder) -> None:
        """A file without bytes is a file."""
        folder.write("empty")
        assert folder.read("empty") == folder.read("empty", 0, 9) == folder.read("empty", 3) == b""
        assert folder.tail("empty", 9) == (b"", 0)
        assert folder.exists("empty")
        assert _keys(folder) == ["empty"]

    @pytest.mark.parametrize("key", ["x", "x/y", "a/x", "a/b/c"])
    def test_missing_files(self, folder: Folder, key: str) -> None:
        """A missing file is told as such, also where its folder would be a file, and is none to `entry`."""
        folder.write("a/b", b"content")
        for read in (folder.read, folder.load, lambda key: folder.tail(key, 5)):
            with pytest.raises(FileNotFoundError) as caught:
                read(key)
            assert key in str(caught.value)
        with pytest.raises(FileNotFoundError):
            folder.read(key, 3, 4)
        with pytest.raises(FileNotFoundError):
            folder.fill([("a/b", 0, _buffer(3)), (key, 0, _buffer(3))])
        assert folder.entry(key) is None
        assert not folder.exists(key)
        folder.remove([key])
        assert folder.read("a/b") == b"content"

    def test_an_empty_folder(self, folder: Folder) -> None:
        """A folder need not exist to be listed."""
        assert _keys(folder) == _keys(folder, "a/") == []
        folder.remove([])
        assert folder.map(str, []) == []

    def test_fills_buffers(self, folder: Folder) -> None:
        """Near, far, overlapping and empty parts of several files, in any order."""
        contents = {f"k{number}": bytes([number, 255 - number]) * 1_500_000 for number in range(3)}
        for key, content in contents.items():
            folder.write(key, content)
        places = [(2_900_000, 7), (0, 100), (50, 100), (2_999_999, 1), (1_400_001, 10), (5, 0), (101, 3)]
        wanted = [(key, start, _buffer(length)) for start, length in places for key in contents]
        folder.fill(wanted)
        for key, start, buffer in wanted:
            assert buffer == contents[key][start : start + len(buffer)], (key, start)
        whole = _buffer(3_000_000)
        folder.fill([("k1", 0, whole)])
        assert whole == contents["k1"]
        folder.fill([])

    @pytest.mark.parametrize("start", [8, 10, 50])
    def test_a_file_that_ends_early(self, folder: Folder, start: int) -> None:
        """A buffer is filled to its end, or an EOFError is raised: also where the buffer is far behind."""
        folder.write("k", b"0123456789")
        with pytest.raises(EOFError):
            folder.fill([("k", 0, _buffer(2)), ("k", start, _buffer(4))])

    def test_conditions(self, folder: Folder) -> None:
        """Files are created once, and replaced only by whoever knows their version."""
        first = folder.write("k", b"first", only=NEW)
        with pytest.raises(ConflictError):
            folder.write("k", b"other", only=NEW)
        second = folder.write("k", b"second", only=first)
        assert second != first
        with pytest.raises(ConflictError):
            folder.write("k", b"other", only=first)
        for absent in ("none", "k/none"):
            with pytest.raises((ConflictError, OSError)):
                folder.write(absent, b"other", only=first)
        assert folder.load("k") == (b"second", second)
        entry = folder.entry("k")
        assert entry is not None
        assert [entry] == list(folder.list())
        assert (entry.version, entry.size) == (second, 6)
        folder.write("k", b"third")
        with pytest.raises(ConflictError):
            folder.write("k", b"other", only=second)
        assert folder.read("k") == b"third"

    def test_one_of_many_writers_wins(self, folder: Folder) -> None:
        """Threads that create the same file at the same time: one of them does."""
        start = threading.Barrier(8)
        won: list[bytes] = []

        def create(content: bytes) -> None:
            start.wait()
            try:
                folder.write("k", content, only=NEW)
            except ConflictError:
                return
            won.append(content)

        threads = [threading.Thread(target=create, args=(b"%d" % number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [folder.read("k")]

    def test_copies(self, folder: Folder, tmp_path: Path) -> None:
        """A copy from this folder, and one from a disk; the source stays."""
        folder.write("a/k 1", b"content")
        folder.copy(folder.location / "a/k 1", "b/k#2")
        assert folder.read("b/k#2") == folder.read("a/k 1") == b"content"
        folder.copy(folder.location / "a/k 1", "a/k 1")
        assert folder.read("a/k 1") == b"content"
        folder.write("c", b"longer content")
        folder.copy(folder.location / "c", "b/k#2")
        assert folder.read("b/k#2") == b"longer content"
        (tmp_path / "file").write_bytes(b"of a disk")
        folder.copy(tmp_path / "file", "b/k3")
        assert folder.read("b/k3") == b"of a disk"
        for missing in (folder.location / "none", tmp_path / "none"):
            with pytest.raises(FileNotFoundError) as caught:
                folder.copy(missing, "b/k4")
            assert str(missing) in str(caught.value)
        assert not folder.exists("b/k4")

    def test_lists_by_key(self, folder: Folder) -> None:
        """Files are sorted by key, and a prefix may end within a name."""
        keys = sorted(["b/a", "b/a.x", "b/a-d/x", "b/ab", "b/b", "b-a", "b.a", "c/d/e/f", "ü", "~", "..a"])
        folder.map(lambda key: folder.write(key, key.encode()), reversed(keys))
        assert _keys(folder) == keys
        for prefix in (
            "",
            "b",
            "..a",
            "..",
            "b/",
            "b/a",
            "b/ab",
            "b/abc",
            "b/a-",
            "c/d",
            "c/d/e/f",
            "z",
            "b/a-d/x",
        ):
            assert _keys(folder, prefix) == [key for key in keys if key.startswith(prefix)], prefix
        for entry in folder.list():
            assert entry == folder.entry(entry.key)
            assert entry.size == len(entry.key.encode())

    def test_odd_keys(self, folder: Folder) -> None:
        """Keys keep their characters through every method."""
        keys = [key for key in ODD_KEYS if key != "upper" or not _folds_case(folder)]
        for key in keys:
            folder.write(f"in/{key}", key.encode(), only=NEW)
        assert _keys(folder) == sorted(f"in/{key}" for key in keys)
        for key in keys:
            assert folder.read(f"in/{key}") == key.encode()
            folder.copy(folder.location / f"in/{key}", f"copied/{key}")
            entry = folder.entry(f"copied/{key}")
            assert entry is not None
            assert entry.size == len(key.encode())
            assert _keys(folder, f"copied/{key}")[0] == f"copied/{key}"
        folder.remove([f"in/{key}" for key in keys])
        assert _keys(folder) == sorted(f"copied/{key}" for key in keys)

    def test_removes(self, folder: Folder) -> None:
        """Only the named files are removed."""
        for key in ("a", "b/c", "b/d", "e/f"):
            folder.write(key, b"content")
        folder.remove(key for key in ("b/c", "e/f", "e/none", "none"))
        assert _keys(folder) == ["a", "b/d"]
        folder.clear()
        assert _keys(folder) == []

    def test_maps_in_order(self, folder: Folder) -> None:
        """Results are in order, a function may map itself, and the first exception is raised."""

        def inner(number: int) -> Sequence[int]:
            return folder.map(lambda factor: factor * number, range(40))

        assert folder.map(inner, range(40))[39] == [39 * factor for factor in range(40)]
        with pytest.raises(ZeroDivisionError):
            folder.map(lambda number: 1 // number, range(40))

    def test_lock(self, folder: Folder) -> None:
        """One holder at a time, in another thread too; afterwards the lock is free and leaves nothing."""
        busy: list[bool] = []

        def try_it() -> None:
            try:
                with folder.lock("what it is"):
                    busy.append(False)
            except StoreBusyError as error:
                busy.append("what it is" in str(error))

        with folder.lock("what it is") as lock:
            lock.require()
            try_it()
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()
            folder.write("k", b"content")
            lock.require()
        assert busy == [True, True]
        with folder.lock("what it is"):
            pass
        with pytest.raises(ZeroDivisionError), folder.lock("what it is"):
            raise ZeroDivisionError
        folder.remove(["k"])
        assert _keys(folder, "lease") == []


def _folds_case(folder: Folder) -> bool:
    folder.write("CASE")
    folds = folder.exists("case")
    folder.remove(["CASE"])
    return folds
