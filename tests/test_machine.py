"""The machine: one module counts cores and reads versions."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest

import audiospec
from audiospec import machine

ROOT = Path(__file__).parents[1]
#: Code that counts cores or reads a package's version.
COUNTS_OR_READS = re.compile(r"cpu_count|sched_getaffinity|metadata import.*\bversion\b|metadata\.version")


def test_no_other_module_counts_cores_or_reads_versions() -> None:
    files = [
        file
        for folder in ("audiospec", "zoo", "cli", "benchmarks")
        for file in (ROOT / folder).rglob("*.py")
        if COUNTS_OR_READS.search(file.read_text(encoding="utf-8"))
    ]
    assert [str(file.relative_to(ROOT)) for file in files] == ["audiospec/machine.py"]


def test_versions_are_those_of_installed_packages() -> None:
    installed = machine.versions(["numpy", "no such package", "audiospec"])
    assert list(installed.items()) == [("numpy", version("numpy")), ("audiospec", audiospec.__version__)]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot bind a process to cores")
def test_cores_are_those_that_the_process_may_use() -> None:
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert machine.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)
    assert machine.usable_cores() == len(cores)
