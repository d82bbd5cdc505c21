"""A bucket for tests: moto's S3 as a process of this machine."""

from __future__ import annotations

import atexit
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from audiospec.storage.location import Url

#: Runs until its standard input is closed, as it is when the process that started it ends in any way.
_SERVER = """
import logging, sys
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""

_servers: dict[int, tuple[subprocess.Popen[str], str]] = {}


def moto() -> str:
    """Return the URL of moto's server, which is started once in each process.

    Raises
    ------
    ImportError
        moto is not installed.
    """
    if os.getpid() not in _servers:
        import moto.server  # noqa: F401 # says at once that it is absent

        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError("moto's server did not start")
        _servers[os.getpid()] = (process, f"http://127.0.0.1:{port}")
        atexit.register(_stop, os.getpid())
    return _servers[os.getpid()][1]


def _stop(owner: int) -> None:
    if owner == os.getpid():
        process, _ = _servers.pop(owner)
        process.communicate()  # closes its input
        process.wait()


@contextmanager
def environment(endpoint: str, **others: str) -> Iterator[None]:
    """Set the variables with which this process, and those that it starts, use an S3 of this machine.

    Parameters
    ----------
    endpoint : str
        URL of the server.
    **others : str
        More variables, such as ``AUDIOSPEC_PATIENCE="2"``.
    """
    values = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "only-for-tests",
        "AWS_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        **others,
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def bucket(endpoint: str | None = None) -> Iterator[Url]:
    """Make a fresh bucket, and set the environment that leads to it during a block.

    Parameters
    ----------
    endpoint : str, optional
        URL of a server or a proxy in front of one; that of `moto` by default.
    """
    name = f"bucket-{secrets.token_hex(6)}"
    server = moto()
    request = urllib.request.Request(f"{server}/{name}", data=b"", method="PUT")  # noqa: S310 # of this machine
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
    with environment(endpoint or server):
        yield Url("s3", name)
