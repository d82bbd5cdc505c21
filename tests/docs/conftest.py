"""What the tests of the documentation share: the pages, and the blocks in them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

#: What several pages begin with. It is run once, and each of them gets a copy of the store.
BEGINNING = "audiospec featurize demo --features tabular --chunk 2"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make the audio of `demo` once; return an environment in which every page finds it."""
    made = {**os.environ, "AUDIOSPEC_DATA": str(tmp_path_factory.mktemp("data"))}
    code = "from audiospec.datasets.base import datasets; datasets['demo']().manifest()"
    subprocess.run([sys.executable, "-c", code], env=made, check=True)
    return made


@pytest.fixture(scope="session")
def prepare(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> Callable[[str, Path], None]:
    """Give a page's folder the store of `BEGINNING`, if that is how its first block begins.

    The page runs that line nevertheless, and it finds nothing to do.
    """
    made: list[Path] = []

    def copy(first: str, folder: Path) -> None:
        if not first.startswith(f"{BEGINNING}\n"):
            return
        if not made:
            made.append(tmp_path_factory.mktemp("store"))
            command = [sys.executable, "-m", *shlex.split(BEGINNING), "--quiet"]
            subprocess.run(command, cwd=made[0], env=environment, check=True)
        shutil.copytree(made[0] / "demo.zarr", folder / "demo.zarr")

    return copy
