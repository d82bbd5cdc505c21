"""Fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

ROOT = Path(__file__).parent.parent

# Tests run side by side, one a core: more threads would stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Speed differs between machines; examples are the same in each run, so that a failure can be repeated.
settings.register_profile("audiospec", deadline=None, derandomize=True)
settings.load_profile("audiospec")


#: What keeps Chromium to itself.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real audio; tests that ask for it are marked `realdata`."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real audio: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script in a fresh interpreter: ``python(code, *args)``; a failure shows what it wrote."""

    def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error::DeprecationWarning:audiospec", "-c", code]
        done = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[Any]]:
    """Start a process as `subprocess.Popen` does, one that Ctrl-C stops.

    A shell's job in the background ignores SIGINT, and so does all that it starts: these tests may be one.
    """

    def popen(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a new program has the default
        try:
            return subprocess.Popen(command, **options)
        finally:
            signal.signal(signal.SIGINT, before)

    return popen


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Set the number of torch's threads; put back afterwards."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium without a window, which keeps logs of what it says and loads; skips where there is none."""
    pytest.importorskip("selenium", reason="selenium drives the browser: pip install -e '.[dev]'")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options, Service(driver))
    yield chrome
    chrome.quit()
