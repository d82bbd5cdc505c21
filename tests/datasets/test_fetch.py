"""Downloads are resumed, checked, unpacked and moved into place; every failure says what to do."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import random
import shutil
import socket
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiospec.datasets.base import PublishedDataset
from audiospec.datasets.download import resume
from audiospec.datasets.download.remote import Remote
from audiospec.errors import DatasetError
from audiospec.manifest import Track
from audiospec.storage.data_folder import data_folder
from audiospec.text import size

if TYPE_CHECKING:
    from conftest import Site

FILES = {"top/a/a-1.wav": b"1" * 4000, "top/a/a-2.wav": b"", "top/b/b-1.wav": b"3"}


class Small(PublishedDataset):
    """Three tracks called LABEL-N."""

    name = "small"
    layout = "LABEL-N.wav"

    def __init__(self, *remotes: Remote, data: Path | None = None) -> None:
        super().__init__(data)
        self.remotes = remotes  # type: ignore[misc]
        self.expected = {"a": 2, "b": 1}

    def track(self, path: PurePosixPath) -> Track | None:
        label, dash, _ = path.stem.partition("-")
        return Track(id=path.stem, path=str(path), label=label) if dash else None


def packed(files: dict[str, bytes] = FILES) -> bytes:
    """Return a .tar.gz file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tape:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files: dict[str, bytes] = FILES) -> bytes:
    """Return a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(
                zipfile.ZipInfo(name), content
            )  # without a date, so that the bytes are always the same
    return buffer.getvalue()


# Random bytes do not compress, so interruptions within 300 kB fall inside the archive.
BODY = packed({**FILES, "top/noise.bin": random.Random(0).randbytes(300_000)})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an empty data folder, no mirror and no pauses between tries."""
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AUDIOSPEC_MIRROR", raising=False)
    monkeypatch.setattr("audiospec.datasets.download.resume.PAUSE_SECONDS", 0)
    return tmp_path / "data"


def ids(dataset: PublishedDataset) -> list[str]:
    return [track.id for track in dataset.manifest()]


def error(dataset: PublishedDataset) -> str:
    with pytest.raises(DatasetError) as caught:
        dataset.manifest()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("body", [BODY, zipped()], ids=["tar.gz", "zip"])
def test_downloads_once(site: Site, home: Path, body: bytes) -> None:
    remote = Remote(site.put("small.tar.gz", body), sha256=hashlib.sha256(body).hexdigest(), bytes=len(body))
    assert ids(Small(remote)) == ["a-1", "a-2", "b-1"]
    assert (home / "small" / "top" / "a" / "a-1.wav").read_bytes() == FILES["top/a/a-1.wav"]
    assert ids(Small(remote)) == ["a-1", "a-2", "b-1"]
    assert site.log == [("/small.tar.gz", "")]
    assert {path.name for path in (home / "downloads" / "small").iterdir()} <= {"lock"}


def test_a_dataset_in_the_data_folder_needs_no_network(home: Path) -> None:
    (home / "small").mkdir(parents=True)
    (home / "small" / "a-1.wav").touch()
    assert ids(Small(Remote("http://nowhere.invalid/x.zip"))) == ["a-1"]


@pytest.mark.parametrize("make", [None, "folder"])
def test_data_never_downloads(site: Site, tmp_path: Path, make: str | None) -> None:
    data = tmp_path / "mine"
    if make:
        data.mkdir()
    message = error(Small(Remote(site.put("small.zip", zipped())), data=data))
    assert str(data) in message
    assert "LABEL-N.wav" in message
    assert not site.log


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    breaks=st.lists(st.integers(0, 120_000), max_size=resume.TRIES - 1),
    ranges=st.booleans(),
    tags=st.sampled_from([('"1"', ""), ("", "Mon, 01 Jan 2024 00:00:00 GMT"), ('W/"1"', ""), ("", "")]),
)
def test_interruptions_do_no_harm(
    site: Site, tmp_path: Path, breaks: list[int], ranges: bool, tags: tuple[str, str]
) -> None:
    how = {"etag": tags[0], "modified": tags[1], "ranges": ranges, "breaks": list(breaks)}
    url = site.put("small.tar.gz", BODY, **how)
    site.log.clear()
    seen: list[tuple[int, int | None]] = []
    part, target = tmp_path / "x.part", tmp_path / "x"
    downloader = resume.ResumingDownloader(part, None, lambda *now: seen.append(now))
    downloader(url, str(target), None)
    assert target.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert not list(tmp_path.glob("x.part*"))
    assert len(site.log) == len(breaks) + 1
    if ranges:
        received, ranges_expected = 0, []
        for stop in breaks:
            ranges_expected.append(f"bytes={received}-" if received else "")
            received += stop
        assert [requested for _, requested in site.log[:-1]] == ranges_expected


def test_the_next_run_resumes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiospec.datasets.download.resume.TRIES", 1)
    dataset = Small(Remote(site.put("small.tar.gz", BODY, breaks=[200_000])))
    message = error(dataset)
    assert "interrupted 1 times, the last time because" in message
    assert "200000 bytes are kept: run it again to resume" in message
    assert ids(dataset) == ["a-1", "a-2", "b-1"]
    assert site.log[-1] == ("/small.tar.gz", "bytes=200000-")


@pytest.mark.parametrize("honest", [True, False], ids=["If-Range", "no If-Range"])
@pytest.mark.parametrize("shorter", [True, False])
def test_a_file_that_changed_is_downloaded_from_the_beginning(
    site: Site, monkeypatch: pytest.MonkeyPatch, honest: bool, shorter: bool
) -> None:
    dataset = Small(Remote(site.put("small.tar.gz", BODY, breaks=[200_000])))
    with monkeypatch.context() as patch:
        patch.setattr("audiospec.datasets.download.resume.TRIES", 1)
        error(dataset)
    other = packed() if shorter else packed({**FILES, "x": random.Random(1).randbytes(300_000)})
    site.put("small.tar.gz", other, etag='"2"', if_range=honest)
    assert ids(dataset) == ["a-1", "a-2", "b-1"]


#: What is no length and no tag, as JSON.
JUNK = ("-1", "1e9", "[]", "{}", "true", "NaN", "1e999", "9" * 5000)


def test_a_part_of_another_address_is_not_resumed(site: Site, tmp_path: Path) -> None:
    part = tmp_path / "x.part"
    part.write_bytes(b"rubbish")
    version_file = part.with_name("x.part.json")
    address = site.put("small.tar.gz", BODY)
    for text in (
        "",
        "[]",
        '{"url": "x"}',
        '{"url": "x", "etag": "1", "modified": "", "length": 9}',
        "[" * 100_000,
        *(f'{{"url": "{address}", "etag": "1", "modified": "", "length": {length}}}' for length in JUNK),
        *(f'{{"url": "{address}", "etag": {junk}, "modified": "", "length": 9}}' for junk in JUNK),
    ):
        version_file.write_text(text)
        url = site.put("small.tar.gz", BODY)
        resume.ResumingDownloader(part, None, lambda *_: None)(url, str(tmp_path / "x"), None)
        assert (tmp_path / "x").read_bytes() == BODY
    assert all(requested == "" for _, requested in site.log)


def test_a_complete_part_is_not_requested_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Small(Remote(site.put("small.tar.gz", BODY)))
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            dataset.manifest()
    assert ids(dataset) == ["a-1", "a-2", "b-1"]
    assert len(site.log) == 1


def test_a_content_encoding_is_not_decoded(site: Site) -> None:
    dataset = Small(Remote(site.put("small.tar.gz", BODY, encoding="gzip")))
    assert ids(dataset) == ["a-1", "a-2", "b-1"]


def test_length_may_be_unknown(site: Site) -> None:
    dataset = Small(Remote(site.put("small.tar.gz", BODY, length=False)))
    assert ids(dataset) == ["a-1", "a-2", "b-1"]


def test_a_busy_server_is_tried_again(site: Site) -> None:
    dataset = Small(Remote(site.put("small.tar.gz", BODY, statuses=[503, 429, 500])))
    assert ids(dataset) == ["a-1", "a-2", "b-1"]


def test_a_refusal_is_final(site: Site) -> None:
    message = error(Small(Remote(f"{site.url}/gone.zip")))
    assert "the server answered 404" in message
    assert len(site.log) == 1


def test_wrong_digest_then_the_next_remote(site: Site, home: Path) -> None:
    bad = Remote(site.put("bad.tar.gz", BODY), sha256="0" * 64)
    message = error(Small(bad))
    assert f"its sha256 is not {'0' * 64}" in message
    assert not (home / "small").exists()
    good = Remote(site.put("good.tar.gz", BODY))
    assert ids(Small(bad, good)) == ["a-1", "a-2", "b-1"]


def test_wrong_length(site: Site) -> None:
    message = error(Small(Remote(site.put("small.tar.gz", BODY), bytes=len(BODY) + 1)))
    assert f"expected {len(BODY) + 1} bytes; the server announces {len(BODY)}" in message


def test_wrong_content_is_refused(site: Site, home: Path) -> None:
    few = Remote(site.put("few.zip", zipped({"top/a-1.wav": b""})))
    message = error(Small(few))
    assert "its content is not the full set: a: 1 of 2 tracks, 1 missing (and 1 more such)" in message
    foreign = Remote(site.put("foreign.zip", zipped({**FILES, "what.wav": b""})))
    assert "'what.wav'" in error(Small(foreign))
    page = Remote(site.put("page.zip", b"<html>please sign in</html>"))
    assert "page.zip is broken" in error(Small(page))
    assert not (home / "small").exists()
    good = Remote(site.put("good.zip", zipped()))
    assert ids(Small(few, foreign, page, good)) == ["a-1", "a-2", "b-1"]


def test_evil_archive_writes_nothing_outside(site: Site, home: Path, tmp_path: Path) -> None:
    evil = packed({**FILES, "../../../../escaped.wav": b"evil"})
    message = error(Small(Remote(site.put("evil.tar.gz", evil))))
    assert "leads out of the folder" in message
    assert not list(tmp_path.rglob("escaped*"))
    assert not list(home.rglob("*.wav"))


def test_all_places_are_listed(site: Site) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    started = time.monotonic()
    message = error(
        Small(
            Remote(f"{dead}/one.zip", file="small-one.zip"),
            Remote(f"{dead}/two.zip"),
            Remote(f"{site.url}/three.zip"),
        )
    )
    assert time.monotonic() - started < 3
    assert str(data_folder() / "small") in message
    assert f"{dead}/one.zip: cannot reach 127.0.0.1" in message
    assert f"{dead}/two.zip" not in message  # the same host
    assert f"{site.url}/three.zip: the server answered 404" in message
    assert "give the folder that contains it with `data=FOLDER`, or download " in message
    assert "manually as small-one.zip and set AUDIOSPEC_MIRROR" in message


def test_without_a_name_server_it_fails_quickly() -> None:
    started = time.monotonic()
    assert "cannot reach nowhere.invalid" in error(Small(Remote("http://nowhere.invalid/x.zip")))
    assert time.monotonic() - started < resume.CONNECT_SECONDS + 1


def test_a_host_that_does_not_answer_is_given_up_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiospec.datasets.download.resume.CONNECT_SECONDS", 0.1)
    done = threading.Event()

    def silent(*_: object) -> None:
        done.wait(5)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    started = time.monotonic()
    assert "does not answer" in error(Small(Remote("http://127.0.0.1/x.zip")))
    assert time.monotonic() - started < 2
    done.set()


def test_no_remote_at_all() -> None:
    assert "it has no address" in error(Small())


@pytest.mark.parametrize("place", ["small/small.zip", "small.zip"])
@pytest.mark.parametrize("form", ["path", "file", "http"])
def test_mirror_comes_first(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, form: str
) -> None:
    mirror = tmp_path / "mirror é"
    (mirror / place).parent.mkdir(parents=True)
    (mirror / place).write_bytes(zipped())
    site.put(f"mirror/{place}", zipped())
    addresses = {"path": str(mirror), "file": mirror.as_uri() + "/", "http": f"{site.url}/mirror"}
    monkeypatch.setenv("AUDIOSPEC_MIRROR", addresses[form])
    remote = Remote(site.put("other.zip", b""), file="small.zip")
    assert ids(Small(remote)) == ["a-1", "a-2", "b-1"]
    assert (mirror / place).read_bytes() == zipped()
    assert all(path.startswith("/mirror") for path, _ in site.log)


def test_remotes_follow_a_mirror_without_the_archive(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSPEC_MIRROR", str(tmp_path))
    message = error(Small(Remote(f"{site.url}/small.zip")))
    assert f"{tmp_path}/small/small.zip: no such file; {tmp_path}/small.zip: no such file" in message
    assert ids(Small(Remote(site.put("small.zip", zipped())))) == ["a-1", "a-2", "b-1"]


def test_a_checksum_that_differs(site: Site) -> None:
    body = zipped()
    message = error(Small(Remote(site.put("small.zip", body), md5="0" * 32)))
    assert f"its md5 is not {'0' * 32}" in message


@pytest.mark.parametrize("mirror", ["http://x:port", "http://[::1"])
def test_a_mirror_with_an_invalid_address(monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    monkeypatch.setenv("AUDIOSPEC_MIRROR", mirror)
    assert "AUDIOSPEC_MIRROR is not a valid address" in error(Small())


def test_a_password_is_not_shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    host = site.url.removeprefix("http://")
    monkeypatch.setenv("AUDIOSPEC_MIRROR", f"http://me:secret@{host}")
    message = error(Small(Remote(f"{site.url}/small.zip")))
    assert f"http://{host}/small/small.zip" in message
    assert "secret" not in message


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_stopped_unpack_never_looks_finished(
    site: Site, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Small(Remote(site.put("small.tar.gz", BODY)))
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "scan", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            dataset.manifest()
    assert not (home / "small").exists()
    leftover = home / "downloads" / "small" / "unpacked"  # as a killed run leaves it
    leftover.mkdir()
    (leftover / "a-9.wav").touch()
    (leftover.parent / "other.zip.part").touch()
    assert ids(dataset) == ["a-1", "a-2", "b-1"]
    assert len(site.log) == 1  # the archive was kept
    assert {path.name for path in leftover.parent.iterdir()} <= {"lock"}


def test_two_at_once_download_once(site: Site) -> None:
    dataset = Small(Remote(site.put("small.tar.gz", BODY)))
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(ids(dataset))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [["a-1", "a-2", "b-1"]] * 4
    assert len(site.log) == 1


def test_a_data_folder_that_cannot_be_written(site: Site, home: Path) -> None:
    home.write_text("a file")
    message = error(Small(Remote(site.put("small.zip", zipped()))))
    assert "cannot be written" in message
    assert "make room" not in message
    assert "set AUDIOSPEC_DATA to another folder" in message


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room, or set AUDIOSPEC_DATA"),
        (errno.EDQUOT, "make room, or set AUDIOSPEC_DATA"),
        (errno.ENAMETOOLONG, "solve this, or set AUDIOSPEC_DATA"),
        (errno.EMFILE, "solve this, or set AUDIOSPEC_DATA"),
        (errno.ENOMEM, "solve this, or set AUDIOSPEC_DATA"),
    ],
)
def test_the_hint_fits_the_cause(site: Site, monkeypatch: pytest.MonkeyPatch, number: int, hint: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("audiospec.datasets.download.fetch.unpack", fail)
    message = error(Small(Remote(site.put("small.zip", zipped()))))
    assert f"({os.strerror(number)}): {hint} to another folder" in message


def test_a_full_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(os.sep)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    message = error(Small(Remote(site.put("small.tar.gz", BODY))))
    assert f"the disk is too full: {size(len(BODY))} are needed, 10 bytes are free" in message
    assert "make room, or set AUDIOSPEC_DATA" in message


def test_progress_is_reported(site: Site) -> None:
    seen: list[tuple[int, int | None]] = []
    dataset = Small(Remote(site.put("small.tar.gz", BODY)))
    dataset.download(lambda *now: seen.append(now))
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)


def test_progress_is_plain_lines_if_stderr_is_no_terminal(
    site: Site, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ids(Small(Remote(site.put("small.tar.gz", BODY))))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"small: small.tar.gz: 0 bytes of {size(len(BODY))}",
        f"small: small.tar.gz: {size(len(BODY))} of {size(len(BODY))}",
    ]
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


def test_progress_is_a_bar_if_stderr_is_a_terminal(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    ids(Small(Remote(site.put("small.tar.gz", BODY))))
    out, err = capsys.readouterr()
    assert out == ""
    assert "small.tar.gz" in err
