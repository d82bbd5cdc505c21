"""Split zip files are read as one, and refused if they are not whole; places with several archives."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import shutil
import struct
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.datasets.base import PublishedDataset
from audiospec.datasets.download.remote import Remote
from audiospec.datasets.download.unpack import unpack
from audiospec.datasets.download.volumes import grouped
from audiospec.errors import DatasetError
from audiospec.manifest import Track

if TYPE_CHECKING:
    from conftest import Site

FILES = {
    "top/a.wav": random.Random(0).randbytes(5000),
    "top/b é.wav": b"",
    "c.wav": b"c" * 3000,
    "top/d.wav": random.Random(1).randbytes(700),
}


def split(files: dict[str, bytes], sizes: list[int], method: int = zipfile.ZIP_STORED) -> list[bytes]:
    """Return a zip file in volumes of some sizes, the last of what is left; as the format describes them.

    A member's place is counted from the beginning of its volume, and the directory is in the last volume.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as bundle:
        for name, content in files.items():
            bundle.writestr(zipfile.ZipInfo(name), content, method)
        entries = [(entry.header_offset, entry.filename) for entry in bundle.infolist()]
        directory = bundle.start_dir
    body = b"PK\7\x08" + buffer.getvalue()[:directory]  # the mark of a split file comes first
    starts = [0]
    for size in sizes:
        starts.append(min(starts[-1] + size, len(body)))
    table = bytearray(buffer.getvalue()[directory:])
    place = 0
    for offset, _ in entries:
        disk = max(number for number, start in enumerate(starts) if start <= offset + 4)
        struct.pack_into("<H", table, place + 34, disk)
        struct.pack_into("<L", table, place + 42, offset + 4 - starts[disk])
        name, extra, comment = struct.unpack_from("<3H", table, place + 28)
        place += 46 + name + extra + comment
    last = len(sizes)
    struct.pack_into("<HH", table, place + 4, last, last)
    struct.pack_into("<L", table, place + 16, len(body) - starts[-1])
    bodies = [body[start:stop] for start, stop in zip(starts, [*starts[1:], len(body)], strict=True)]
    return [*bodies[:-1], bodies[-1] + bytes(table)]


def written(folder: Path, volumes: list[bytes]) -> tuple[Path, list[Path]]:
    files = [folder / f"x.z{number:02d}" for number in range(1, len(volumes))]
    for file, content in zip([*files, folder / "x.zip"], volumes, strict=True):
        file.write_bytes(content)
    return folder / "x.zip", files


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(200, 4000), min_size=1, max_size=4),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_members_may_lie_in_any_volumes(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], method: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    archive, volumes = written(folder, split(FILES, sizes, method))
    unpack(archive, folder / "out", volumes)
    assert tree(folder / "out") == FILES


@pytest.mark.skipif(not shutil.which("zip"), reason="no command zip")
def test_what_zip_writes(tmp_path: Path) -> None:
    noise = {f"n/{number}.wav": random.Random(number).randbytes(30_000) for number in range(12)}
    for name, content in noise.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    subprocess.run(
        ["zip", "-q", "-r", "-s", "64k", "x.zip", "n"],
        cwd=tmp_path,
        check=True,
    )
    names = [path.name for path in tmp_path.glob("x.z*")]
    assert len(names) > 4
    volumes = [tmp_path / name for name in grouped(names)["x.zip"]]
    unpack(tmp_path / "x.zip", tmp_path / "out", volumes)
    assert tree(tmp_path / "out") == noise


def refused(folder: Path, archive: Path, volumes: list[Path]) -> str:
    with pytest.raises(DatasetError) as caught:
        unpack(archive, folder / "out", volumes)
    return str(caught.value)


def test_a_missing_volume(tmp_path: Path) -> None:
    archive, volumes = written(tmp_path, split(FILES, [3000, 3000]))
    message = refused(tmp_path, archive, volumes[:1])
    assert message == "archive x.zip is broken: it has 3 volumes; got 2"


def test_volumes_in_the_wrong_order(tmp_path: Path) -> None:
    archive, volumes = written(tmp_path, split(FILES, [3000, 3000]))
    assert "archive x.zip is broken" in refused(tmp_path, archive, volumes[::-1])


@pytest.mark.parametrize("content", [b"", b"PK\5\6", b"x" * 100])
def test_a_last_volume_without_an_end(tmp_path: Path, content: bytes) -> None:
    archive, volumes = written(tmp_path, split(FILES, [3000, 3000]))
    archive.write_bytes(content)
    assert "the last volume has no end of a zip file" in refused(tmp_path, archive, volumes)


@settings(max_examples=60)
@given(place=st.integers(0, 9300), value=st.integers(0, 255))
def test_a_damaged_volume_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    archive, volumes = written(folder, split(FILES, [3000, 3000]))
    for file in (*volumes, archive):
        size = file.stat().st_size
        if place < size:
            content = bytearray(file.read_bytes())
            content[place] = value
            file.write_bytes(content)
            break
        place -= size
    with contextlib.suppress(DatasetError):
        unpack(archive, folder / "out", volumes)
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".zip"]
    outside = [path for path in files if not path.resolve().is_relative_to(folder / "out")]
    assert sorted(outside) == volumes


def test_groups() -> None:
    assert grouped(["b.zip", "b.z02", "a.tar.gz", "b.z01", "c.zip"]) == {
        "b.zip": ["b.z01", "b.z02"],
        "a.tar.gz": [],
        "c.zip": [],
    }
    with pytest.raises(ValueError, match=r"there is no b\.zip to b\.z01"):
        grouped(["b.z01"])
    with pytest.raises(ValueError, match=r"a volume before b\.z02 is missing"):
        grouped(["b.zip", "b.z02"])


class Small(PublishedDataset):
    """Three tracks called LABEL-N."""

    name = "small"
    layout = "LABEL-N.wav"

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self.remotes = (remote,)  # type: ignore[misc]
        self.expected = {"a": 2, "b": 1}

    def track(self, path: PurePosixPath) -> Track | None:
        label, dash, _ = path.stem.partition("-")
        return Track(id=path.stem, path=str(path), label=label) if dash else None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AUDIOSPEC_MIRROR", raising=False)
    return tmp_path / "data"


def ids(dataset: Small) -> list[str]:
    return [track.id for track in dataset.manifest()]


def error(dataset: Small) -> str:
    with pytest.raises(DatasetError) as caught:
        dataset.manifest()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tape:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def in_parts(site: Site) -> Remote:
    """Return a place with a split zip file in two volumes, and another archive; each has a licence."""
    first, last = split({"a/a-1.wav": b"1" * 900, "a/a-2.wav": b"2" * 900, "licence.txt": b""}, [1000])
    other = tarred({"b/b-1.wav": b"3", "licence.txt": b""})
    parts = (
        Remote(site.put("set.z01", first), md5=hashlib.md5(first).hexdigest()),
        Remote(site.put("more.tar.gz", other)),
    )
    return Remote(site.put("set.zip", last), md5=hashlib.md5(last).hexdigest(), parts=parts)


def test_several_archives_and_a_split_one(
    site: Site, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Small(in_parts(site))
    assert ids(dataset) == ["a-1", "a-2", "b-1"]
    assert (home / "small" / "set" / "a" / "a-1.wav").read_bytes() == b"1" * 900
    assert (home / "small" / "more" / "b" / "b-1.wav").read_bytes() == b"3"
    assert {path.name for path in (home / "downloads" / "small").iterdir()} <= {"lock"}
    assert site.log == [("/set.zip", ""), ("/set.z01", ""), ("/more.tar.gz", "")]
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in ("set.zip", "set.z01", "more.tar.gz"):
        (mirror / name).write_bytes(site.pages[f"/{name}"].body)
    monkeypatch.setenv("AUDIOSPEC_MIRROR", str(mirror))
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path / "again"))
    assert ids(dataset) == ["a-1", "a-2", "b-1"]
    assert len(site.log) == 3


def test_a_part_that_is_missing_or_wrong(site: Site, home: Path) -> None:
    """What was received and has the right checksum is kept for the next run."""
    remote = in_parts(site)
    body = site.pages.pop("/more.tar.gz").body
    message = error(Small(remote))
    assert "set.zip: more.tar.gz: the server answered 404" in message
    assert "/set.zip, http" in message
    assert "manually and set AUDIOSPEC_MIRROR to the folder that they are in" in message
    assert f"set.zip: its md5 is not {'0' * 32}" in error(Small(replace(remote, md5="0" * 32)))
    site.put("more.tar.gz", tarred({"x/a-9.wav": b""}))
    assert "its content is not the full set: a: 3 tracks, the full set has 2" in error(Small(remote))
    site.put("more.tar.gz", body)
    site.log.clear()
    assert ids(Small(remote)) == ["a-1", "a-2", "b-1"]
    assert site.log == [("/more.tar.gz", "")]
