"""Processes and credentials: forks, pickles, what is said of buckets that cannot be used, and web servers."""

from __future__ import annotations

import os
import pickle
import re
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

from audiospec.errors import StorageError
from audiospec.storage.location import Url, location
from audiospec.storage.opening import exists, open_folder, read_file
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import FaultProxy

SECRET = "c2VjcmV0LW9ubHktZm9yLXRoaXMtdGVzdA=="


def _in_a_fork(function: Callable[[], object]) -> str:
    """Return what a function raises in a forked child, which may take 20 s."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # Python 3.12 warns of what is tested here
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            function()
            os.write(writing, b"nothing raised")
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    timer = threading.Timer(20, os.kill, (child, 9))
    timer.start()
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    timer.cancel()
    return said


@pytest.mark.parametrize(
    "use",
    [
        lambda url: read_file(url / "k"),
        lambda url: open_folder(url).write("k", b"content"),
        lambda url: list(open_folder(url).list()),
        lambda url: open_folder(url).map(str, range(9)),
        lambda url: open_folder(url).fill([("k", 0, memoryview(bytearray(1)))]),
        lambda url: open_folder(url).lock("it").__enter__(),
        lambda url: open_folder(Url("s3", "another")).entry("k"),
    ],
)
def test_a_forked_process_is_told_so(use: Callable[[Url], object]) -> None:
    with bucket() as url:
        open_folder(url).write("k", b"content")
        said = _in_a_fork(partial(use, url))
        assert read_file(url / "k") == b"content"
    assert said.startswith("StorageError: this process was forked after it had used s3://")
    assert "multiprocessing_context='forkserver'" in said


def test_a_process_may_fork_first(python: Callable[..., Any]) -> None:
    with bucket() as url:
        open_folder(url).write("k", b"content")
        python(
            "import os, sys\n"
            "from audiospec.storage.opening import read_file\n"
            "from audiospec.storage.location import location\n"
            "child = os.fork()\n"
            "assert read_file(location(sys.argv[1]) / 'k') == b'content'\n"
            "if child:\n"
            "    assert os.waitpid(child, 0)[1] == 0\n",
            url,
        )


def test_ctrl_c_interrupts_a_request(python: Callable[..., Any]) -> None:
    """It ends the wait for a server that does not answer, and the interpreter ends, too."""
    code = (
        "import os, signal, socket, threading\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it\n"
        "from audiospec.storage.connections import connect\n"
        "from audiospec.storage.opening import open_folder\n"
        "from audiospec.storage.location import Url\n"
        "silent = socket.create_server(('127.0.0.1', 0))\n"
        "accepted = []\n"
        "def interrupt():\n"
        "    accepted.append(silent.accept())\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "os.environ['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:%d' % silent.getsockname()[1]\n"
        "folder = open_folder(Url('s3', 'bucket'))\n"
        "connect(Url('s3', 'bucket'))  # compiled code, which may take a signal that comes while it begins\n"
        "keys = [str(number) for number in range(64)]\n"
        "for use in (lambda: folder.read('k'), lambda: folder.map(folder.entry, keys)):\n"
        "    threading.Thread(target=interrupt).start()  # once the request is under way\n"
        "    try:\n"
        "        use()\n"
        "    except KeyboardInterrupt:\n"
        "        continue\n"
        "    raise AssertionError\n"
    )
    began = time.monotonic()
    with environment("http://127.0.0.1:9"):
        python(code)
    assert time.monotonic() - began < 100  # it would wait for three minutes


def test_a_pickle_is_a_url() -> None:
    with bucket() as url, environment(moto(), AWS_SECRET_ACCESS_KEY=SECRET):
        folder = open_folder(url / "x")
        folder.write("k", b"content")
        pickled = pickle.dumps(folder)
        assert SECRET.encode() not in pickled
        assert b"s3" in pickled
        again = pickle.loads(pickled)
        assert again.location == url / "x"
        assert again.read("k") == b"content"
        assert SECRET not in repr(folder) + repr(vars(folder))


def _reason(place: Url) -> StorageError:
    with pytest.raises(StorageError) as caught:
        open_folder(place).read("k")
    assert caught.value.__context__ is None
    return caught.value


def test_a_bucket_that_does_not_exist() -> None:
    with bucket() as url:
        missing = Url("s3", f"{url.bucket}-not", "x")
        for use in (
            lambda folder: folder.read("k"),
            lambda folder: list(folder.list()),
            lambda folder: folder.write("k", b"content"),
            lambda folder: folder.remove(["k"]),
            lambda folder: folder.lock("it").__enter__(),
        ):
            with pytest.raises(StorageError, match=f"^there is no bucket s3://{missing.bucket}: "):
                use(open_folder(missing))


def test_what_is_forbidden() -> None:
    """Bucket, key and action are named, and where credentials were looked for."""
    refusing = FaultProxy(moto(), decide=lambda request: "403")
    with bucket() as url, refusing as proxy, environment(proxy.url):
        folder = open_folder(url)
        for action, use in (
            ("read", lambda: folder.read("k")),
            ("read", lambda: folder.entry("k")),
            ("write", lambda: folder.write("k", b"content")),
            ("copy", lambda: folder.copy(url / "k", "b")),
            ("remove", lambda: folder.remove(["k"])),
        ):
            with pytest.raises(StorageError) as caught:
                use()
            assert caught.value.reason.startswith(f"not allowed to {action} {url}/k: 403 Forbidden"), action
            assert "AWS_ACCESS_KEY_ID" in caught.value.hint
            assert "~/.aws are not read" in caught.value.hint
        with pytest.raises(StorageError, match=f"^not allowed to list {url}: 403 Forbidden"):
            list(folder.list())


def test_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AUDIOSPEC_PATIENCE", "0.5")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    error = _reason(Url("s3", "bucket"))
    assert str(error).startswith("no credentials for s3://bucket: they are looked for in AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", SECRET)
    error = _reason(Url("az", "bucket"))
    assert error.reason == "no usable credentials for az://bucket (Account must be specified)"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/none.json")
    error = _reason(Url("gs", "bucket"))
    assert error.reason.startswith(
        "no usable credentials for gs://bucket (Unable to open service account file"
    )


def test_addresses_that_cannot_be_used() -> None:
    with environment("http://127.0.0.1:9", AUDIOSPEC_PATIENCE="0.3"):
        assert "does not answer: connection refused" in _reason(Url("s3", "bucket")).reason
        with environment("http://127.0.0.1:9", AWS_ALLOW_HTTP="false"):
            assert "AWS_ALLOW_HTTP=true" in _reason(Url("s3", "bucket")).hint
    with environment("http://127.0.0.1:9", AUDIOSPEC_PATIENCE="long"):
        assert _reason(Url("s3", "bucket")).reason == "AUDIOSPEC_PATIENCE='long': expected seconds"


@pytest.mark.parametrize("key", ["a\tb", "a\nb", "a\x00b"])
def test_names_that_no_bucket_takes(key: str) -> None:
    with bucket() as url, pytest.raises(StorageError, match="cannot be used as the name of a file"):
        open_folder(url).write(key, b"content")


@pytest.mark.parametrize("key", ["a//b", "a/../b", "a%09b"])
def test_a_list_names_the_file_that_cannot_be_used(key: str) -> None:
    """A bucket may hold names that obstore refuses; other tools write them."""
    with bucket() as url:
        request = urllib.request.Request(f"{moto()}/{url.bucket}/x/{key}", data=b"", method="PUT")
        urllib.request.urlopen(request).close()
        with pytest.raises(StorageError) as caught:
            list(open_folder(url / "x").list())
    assert caught.value.reason.startswith(f"{url}/x contains a file whose name cannot be used: 'x/a")
    assert caught.value.hint.startswith("rename it")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Url]:
    """Yield the URL of a web server that knows no ranges, as Python's does not."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        place = location(f"http://127.0.0.1:{server.server_address[1]}/a folder")
        assert isinstance(place, Url)
        yield place
        server.shutdown()


def test_web_servers_are_read(web: Url, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "k #1").write_bytes(b"0123456789")
    folder = open_folder(web)
    assert folder.read("k #1") == b"0123456789"
    assert folder.read("k #1", 2, 3) == b"234"
    assert folder.tail("k #1", 3) == (b"789", 10)
    part = memoryview(bytearray(4))
    folder.fill([("k #1", 5, part)])
    assert part == b"5678"
    content, version = folder.load("k #1")
    assert (content, version) == (b"0123456789", folder.entry("k #1").version)
    assert exists(web / "k #1")
    assert read_file(web / "k #1") == b"0123456789"
    with pytest.raises(FileNotFoundError):
        folder.read("none")
    with pytest.raises(EOFError):
        folder.fill([("k #1", 8, part)])


def test_addresses_of_web_servers_are_quoted(web: Url, tmp_path: Path) -> None:
    """As in a browser: %20 is a space; what a task carries leads to the same file."""
    (tmp_path / "a folder").mkdir()
    for name in ("a b.wav", "ü%20#?.wav"):
        (tmp_path / "a folder" / name).write_bytes(name.encode())
        place = location(str(web / name))
        assert place == web / name
        assert read_file(place) == name.encode()
    assert location(f"http://{web.bucket}/a%20folder/a%20b.wav") == web / "a b.wav"
    assert location(f"http://{web.bucket}/a folder/a b.wav") == web / "a b.wav"


def test_web_servers_are_only_read(web: Url) -> None:
    folder = open_folder(web)
    for use in (
        lambda: folder.write("k", b"content"),
        lambda: folder.copy(web / "k", "b"),
        lambda: folder.remove(["k"]),
        lambda: folder.lock("it").__enter__(),
    ):
        with pytest.raises(StorageError, match=rf"^cannot write to {re.escape(str(web))}: use"):
            use()
    with pytest.raises(StorageError, match=f"^cannot list {re.escape(str(web))}: "):
        list(folder.list())


def test_obstore_is_missing(python: Callable[..., Any]) -> None:
    python(
        "import sys\n"
        "sys.modules['obstore'] = sys.modules['obstore.store'] = None\n"
        "from audiospec.errors import StorageError\n"
        "from audiospec.storage.opening import open_folder\n"
        "from audiospec.storage.location import Url\n"
        "for use in (lambda f: f.read('k'), lambda f: list(f.list()), lambda f: f.entry('k'), \n"
        "            lambda f: f.write('k'), lambda f: f.lock('it').__enter__(), lambda f: f.clear()):\n"
        "    try:\n"
        "        use(open_folder(Url('s3', 'bucket')))\n"
        "    except StorageError as error:\n"
        "        assert str(error) == \"s3:// needs obstore: pip install 'audiospec[cloud]'\", error\n"
        "    else:\n"
        "        raise AssertionError\n"
    )


def test_obstore_loads_late(python: Callable[..., Any]) -> None:
    python(
        "import sys\n"
        "import audiospec.storage.objects\n"
        "assert 'obstore' not in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
