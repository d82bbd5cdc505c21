"""`audiospec explore` as a process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import audiospec

COMMAND = [sys.executable, "-m", "audiospec", "explore"]


@pytest.fixture(scope="module")
def findings(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Findings of `made` as `audiospec doctor --out` writes them."""
    file = tmp_path_factory.mktemp("findings") / "findings.json"
    file.write_text(json.dumps(audiospec.diagnose(made, names=[]).to_dict()))
    return file


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_serves_until_it_is_stopped(
    start: Callable[..., subprocess.Popen[Any]], made: Path, number: int, status: int
) -> None:
    """While the doctor looks, too; Ctrl-C is how one ends it, and no error."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with start([*COMMAND, str(made), "--no-open", "--port", "0"], **options) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{address}api/store.json") as reply:
            assert json.load(reply)["tracks"] == 15
        process.send_signal(number)
        rest, errors = process.stdout.read(), process.stderr.read()
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    assert "Ctrl-C" in rest
    if not status:
        assert errors == ""


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends."""
    return subprocess.run([*COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


def test_a_port_in_use(made: Path, findings: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command(made, "--no-open", "--port", port, "--findings", findings, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: port {port} is in use: choose another --port, or leave it out\n"


def test_a_copy(made: Path, runs: Path, findings: Path, tmp_path: Path) -> None:
    done = command(
        *(made, "--runs", runs, "--findings", findings, "--export", "copy", "--audio-cap", 0), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "copy/index.html: 15 tracks, 30 spectrograms" in done.stdout
    assert "without audio: 15 tracks, named in audio-left-out.txt" in done.stdout
    assert (tmp_path / "copy" / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.zarr"], "no store at"),
        (["{made}", "--runs", "none"], "there is no folder none: give the folder of runs with --runs"),
        (["{made}", "--view", "none"], "none"),
        (["{made}", "--findings", "none.json"], "none.json cannot be read"),
        (["{made}", "--audio-cap", "3"], "give --export, too"),
        (["{made}", "--export", "{made}"], "is not an empty folder: choose another --export"),
    ],
)
def test_what_cannot_be_shown(
    call: Any, made: Path, tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, errors = call("explore", *(text.format(made=made) for text in arguments), "--no-open")
    assert status == 2
    assert words in errors
    assert len(errors.splitlines()) == 1


def test_without_starlette(call: Any, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        "audiospec.explorer.run.find_spec", lambda name: None if name == "uvicorn" else real(name)
    )
    status, _, errors = call("explore", made, "--no-open")
    assert status == 2
    assert "needs uvicorn" in errors
    assert "pip install 'audiospec[explore]'" in errors
