"""The package of another author is installed for these tests alone: its folder is on the path."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # so that the tests can import it while they are collected


@pytest.fixture(autouse=True, scope="module")
def installed() -> Iterator[None]:
    """Put the package on the path of this process and of those that it starts."""
    sys.path.insert(0, str(HERE))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *([before] if before else [])])
    try:
        yield
    finally:
        while str(HERE) in sys.path:
            sys.path.remove(str(HERE))
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
