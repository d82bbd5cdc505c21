"""The machine: one module counts cores and reads versions."""

from __future__ import annotations

import os
import platform
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


def test_processors_of_one_kind_have_one_name(tmp_path: Path) -> None:
    """The maker and the instruction sets by which libraries choose their code; no speed, no model."""
    x86 = "vendor_id\t: AuthenticAMD\ncpu MHz\t: 2400\nflags\t\t: fpu sse2 fma avx avx2 avx512f ht\n"
    arm = "CPU implementer\t: 0x41\nFeatures\t: fp asimd sve bf16\nCPU part\t: 0xd40\n"
    for name, text, kind in (
        ("x86", x86, "AuthenticAMD avx avx2 avx512f fma"),
        ("arm", arm, "0x41 asimd bf16 sve"),
    ):
        (tmp_path / name / "proc").mkdir(parents=True)
        (tmp_path / name / "proc" / "cpuinfo").write_text(text + "\n" + text.replace("avx2", "avx2 x"))
        assert machine.processor_kind(tmp_path / name) == kind
    assert machine.processor_kind(tmp_path / "none") == platform.machine()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot bind a process to cores")
def test_cores_are_those_that_the_process_may_use() -> None:
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert machine.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)
    assert machine.usable_cores() == len(cores)
