"""Fixtures for all tests."""

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

    from audiospec.storage.location import Url
    from audiospec.testing.cluster import DaskCluster

ROOT = Path(__file__).parent.parent

# Tests run in parallel, one on each core: more threads would slow each other down.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# librosa compiles functions when they are first called. Two processes that do so at once, for different
# types, can leave a cache in which a type finds the code of another, and crash. So each has its own cache.
os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".numba_cache" / os.environ.get("PYTEST_XDIST_WORKER", "main"))

# No deadline, as speed differs between machines. The same examples in each run, so that failures repeat.
settings.register_profile("audiospec", deadline=None, derandomize=True)
settings.load_profile("audiospec")


#: Options of Chromium: no window, no connections of the browser itself, no sandbox.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real audio; tests that use it are marked `realdata`."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real audio: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def shared_inputs() -> Path:
    """Return the folder of small files that other tools wrote."""
    folder = ROOT.parent / "shared" / "inputs"
    if not folder.is_dir():
        pytest.skip(f"no files of other tools: {folder} is absent")
    return folder


@pytest.fixture(autouse=True)
def settings_of_buckets() -> Iterator[None]:
    """No test leaves a variable behind that changes how later ones reach buckets."""

    def settings() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith(("AUDIOSPEC_", "AWS_"))}

    before = settings()
    yield
    assert settings() == before


@pytest.fixture(scope="module")
def home() -> Iterator[Url]:
    """Return an empty bucket of this machine, whose environment is set; modules that use it need moto."""
    from audiospec.testing.buckets import bucket

    with bucket() as url:
        yield url


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function, ``python(code, *args)``, that runs a script in a new interpreter.

    If the script fails, the test fails and shows what it wrote.
    """

    def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error::DeprecationWarning:audiospec", "-c", code]
        result = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"status {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    return run


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[Any]]:
    """Return a function like `subprocess.Popen` whose processes can be stopped by SIGINT (Ctrl-C).

    A background job of a shell ignores SIGINT, and so do the processes that it starts. These tests may run as
    such a job.
    """

    def popen(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the new process gets the default
        try:
            return subprocess.Popen(command, **options)
        finally:
            signal.signal(signal.SIGINT, before)

    return popen


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Return a Dask cluster of one worker with two threads, which tests share and do not damage."""
    pytest.importorskip("distributed", reason="no Dask: pip install 'audiospec[dask]'")
    from audiospec.testing.cluster import DaskCluster

    with DaskCluster(tmp_path_factory.mktemp("dask")) as cluster:
        cluster.start_scheduler()
        cluster.start_worker(nthreads=2, nanny=False)
        yield cluster


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Return a function that sets the number of torch's threads; it is restored after the test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Return a headless Chromium that logs its console and its requests; skip the test without one."""
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
