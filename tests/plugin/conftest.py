"""The package of another author is installed for these tests alone: its folder is on the path."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# The tests import the package while they are collected. Its entry points must not be seen by other tests.
sys.path.insert(0, str(HERE))
import audiospec_extras  # noqa: E402

assert audiospec_extras.__path__
sys.path.remove(str(HERE))


@pytest.fixture(autouse=True, scope="module")
def installed() -> Iterator[None]:
    """Put the package on the path of this process and of those that it starts."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *([before] if before else [])])
    sys.path.insert(0, str(HERE))
    try:
        yield
    finally:
        sys.path.remove(str(HERE))
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
