"""Fixtures that all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# Tests run side by side, one a core: more threads would stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Speed differs between machines; examples are the same in each run, so that a failure can be repeated.
settings.register_profile("audiospec", deadline=None, derandomize=True)
settings.load_profile("audiospec")


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


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Set the number of torch's threads; put back afterwards."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
