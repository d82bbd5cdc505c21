"""Archives cannot write outside their folder, and broken ones are recognised."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.datasets.download import unpack as _unpack
from audiospec.errors import DatasetError

Members = list[tuple[str, bytes]]


def tar(file: Path, members: Members, mode: str = "w:gz") -> Path:
    with tarfile.open(file, mode) as tape:  # type: ignore[call-overload]
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return file


def zip(file: Path, members: Members) -> Path:
    with zipfile.ZipFile(file, "w") as bundle:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename = name  # set here, because the constructor would clean it
            bundle.writestr(info, content)
    return file


FORMATS: list[Callable[[Path, Members], Path]] = [tar, zip]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def refused(archive: Path, folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        _unpack.unpack(archive, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(tmp_path: Path, mode: str) -> None:
    members = [("./top/a.wav", b"a" * 3_000_000), ("top/deep/er/b é.wav", b""), ("c", b"c")]
    _unpack.unpack(tar(tmp_path / "x.tar", members, mode), tmp_path / "new" / "out")
    assert tree(tmp_path / "new" / "out") == {
        "top/a.wav": b"a" * 3_000_000,
        "top/deep/er/b é.wav": b"",
        "c": b"c",
    }


def test_zip(tmp_path: Path) -> None:
    _unpack.unpack(zip(tmp_path / "x.zip", [("top/", b""), ("top/a", b"a")]), tmp_path / "out")
    assert tree(tmp_path / "out") == {"top/a": b"a"}


def test_modes_are_ignored(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tape:
        member = tarfile.TarInfo("a")
        member.mode = 0o6777
        tape.addfile(member, io.BytesIO())
    _unpack.unpack(tmp_path / "x.tar", tmp_path / "out")
    assert not (tmp_path / "out" / "a").stat().st_mode & 0o6111


@pytest.mark.parametrize("pack", FORMATS)
@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "a/../b",
        "/evil",
        "//host/evil",
        "C:evil",
        "C:/evil",
        "..\\evil",
        "a\\b",
    ],
)
def test_names_that_lead_out(tmp_path: Path, pack: Callable[[Path, Members], Path], name: str) -> None:
    archive = pack(tmp_path / "x", [("good", b""), (name, b"evil")])
    assert "x is refused: its member" in refused(archive, tmp_path / "in" / "out")
    assert set(tree(tmp_path)) == {"x", "in/out/good"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_tar_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tape:
        member = tarfile.TarInfo("inner")
        member.type, member.linkname = kind, "../../etc/passwd"
        tape.addfile(member)
    assert "'inner' is a link or a device" in refused(tmp_path / "x.tar", tmp_path / "out")
    assert not os.path.lexists(tmp_path / "out" / "inner")


def test_tar_folder_that_leads_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tape:
        member = tarfile.TarInfo("../evil")
        member.type = tarfile.DIRTYPE
        tape.addfile(member)
    assert "leads out" in refused(tmp_path / "x.tar", tmp_path / "in" / "out")
    assert not (tmp_path / "in" / "evil").exists()


def test_zip_link(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as bundle:
        info = zipfile.ZipInfo("inner")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        bundle.writestr(info, "/etc/passwd")
    assert "'inner' is a link or a device" in refused(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", FORMATS)
@pytest.mark.parametrize("second", ["a", "./a", "a/b", "."])
def test_a_name_that_is_listed_twice(
    tmp_path: Path, pack: Callable[[Path, Members], Path], second: str
) -> None:
    archive = pack(tmp_path / "x", [("a", b"1"), (second, b"2")])
    assert "is listed twice" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize("pack", FORMATS)
def test_bombs(
    tmp_path: Path, pack: Callable[[Path, Members], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_unpack, "_FREE_BYTES", 1000)
    archive = tmp_path / "x.zip"
    if pack is tar:
        tar(archive, [("big", bytes(10_000_000))])
    else:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("big", bytes(10_000_000))
    assert "unpacks to more than" in refused(archive, tmp_path / "out")
    assert (tmp_path / "out" / "big").stat().st_size < 1_000_000


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_unpack, "MAX_FILES", 3)
    archive = tar(tmp_path / "x", [(str(number), b"") for number in range(4)])
    assert "more than 3 files" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize("pack", FORMATS)
def test_cut_off_or_changed(tmp_path: Path, pack: Callable[[Path, Members], Path]) -> None:
    intact = pack(tmp_path / "intact", [("a", os.urandom(5000)), ("b", b"b")]).read_bytes()
    changed = bytearray(intact)
    changed[3000] ^= 1
    for number, broken in enumerate((intact[:-3000], intact[:20], bytes(changed), b"PK\3\4", b"")):
        archive = tmp_path / f"x{number}"
        archive.write_bytes(broken)
        assert f"x{number} is broken" in refused(archive, tmp_path / f"out{number}")


def test_encrypted_zip(tmp_path: Path) -> None:
    raw = bytearray(zip(tmp_path / "x.zip", [("a", b"a")]).read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(raw)
    assert "x.zip is broken" in refused(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("pack", FORMATS)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a" * 300, "has a name of 300 bytes in 1 parts, which is too long"),
        ("é" * 130 + ".wav", "has a name of 264 bytes"),
        ("a/" * 70 + "b", "in 71 parts, which is too long"),
        ("/".join(["a" * 200] * 6), "has a name of 1200 bytes"),
        ("CON", "is a device on Windows"),
        ("a/nul.wav", "is a device on Windows"),
        ("Lpt1 .txt", "is a device on Windows"),
    ],
    ids=["long", "accents", "deep", "path", "con", "nul", "lpt"],
)
def test_names_that_no_system_takes(
    tmp_path: Path, pack: Callable[[Path, Members], Path], name: str, why: str
) -> None:
    message = refused(pack(tmp_path / "x", [("good", b""), (name, b"a")]), tmp_path / "out")
    assert why in message
    assert len(message) < 300
    assert set(tree(tmp_path / "out")) == {"good"}


def test_usual_names_are_unpacked(tmp_path: Path) -> None:
    names = ["console.wav", "aux-in/a.wav", "com10.wav", "a" * 251 + ".wav", "b ", "été/c.wav", "10.0/d..wav"]
    _unpack.unpack(tar(tmp_path / "x.tar", [(name, b"a") for name in names]), tmp_path / "out")
    assert set(tree(tmp_path / "out")) == set(names)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_gigabytes(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, 1 << 32
    (tmp_path / "x.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16))
    assert "x.tar is broken: an extended header has 4294967296 bytes" in refused(
        tmp_path / "x.tar", tmp_path / "out"
    )


def test_too_many_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_unpack, "MAX_FILES", 3)
    with tarfile.open(tmp_path / "x.tar", "w") as tape:
        for number in range(5):
            member = tarfile.TarInfo(f"{number}")
            member.type = tarfile.DIRTYPE
            tape.addfile(member)
    assert "more than 3 files" in refused(tmp_path / "x.tar", tmp_path / "out")


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.zip")
    assert "x.zip is broken: x.zip is not a regular file" in refused(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("pack", FORMATS)
def test_a_flipped_bit_gives_the_content_or_an_error(
    tmp_path: Path, pack: Callable[[Path, Members], Path]
) -> None:
    members = [(f"{number}/{'n' * 40 * number}.wav", bytes([number]) * 700) for number in range(4)]
    content = pack(tmp_path / "x", members).read_bytes()
    random = np.random.default_rng(3)
    for number in range(150):
        flipped = bytearray(content)
        flipped[random.integers(len(content))] ^= 1 << random.integers(8)
        (tmp_path / "x").write_bytes(flipped)
        with contextlib.suppress(DatasetError):
            _unpack.unpack(tmp_path / "x", tmp_path / f"out{number}")


@settings(max_examples=150, deadline=None)
@given(
    pack=st.sampled_from(FORMATS),
    names=st.lists(st.text("ab./\\:\0é~ ", max_size=8), min_size=1, max_size=3),
)
def test_nothing_is_written_outside(pack: Callable[[Path, Members], Path], names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        inner = top / "1" / "2"
        inner.mkdir(parents=True)
        archive = pack(inner / "x", [(name, b"evil") for name in dict.fromkeys(names)])
        with contextlib.suppress(DatasetError):
            _unpack.unpack(archive, inner / "out")
        assert all(name == "1/2/x" or name.startswith("1/2/out/") for name in tree(top))
