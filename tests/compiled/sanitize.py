"""Run the tests of this folder on a build with AddressSanitizer and UBSan: `make sanitize`.

Linux with gcc. The build is in a temporary folder. Only the extension is instrumented; AddressSanitizer's
library is loaded before all others.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

NAME = "audiospec.compiled.native"
ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "audiospec" / "compiled" / "source"
#: Little optimisation: with all of it, compiling the checks takes minutes.
FLAGS = (
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"),
    *("-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", "-fPIC", "-shared"),
)


def build(folder: Path, compiler: str) -> Path:
    """Return the extension, built with sanitizers."""
    extension = folder / "native.abi3.so"
    headers = sysconfig.get_paths()["include"]
    subprocess.run(
        [compiler, *FLAGS, f"-I{headers}", *sorted(SOURCES.glob("*.c")), "-o", extension, "-lm"], check=True
    )
    return extension


def check(extension: Path, compiler: str, arguments: list[str]) -> int:
    """Run the tests in a process of their own; return its exit status."""
    library = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {
        "LD_PRELOAD": library,
        # Python itself does not free all its memory at the end. Of freed memory, which is kept from use for a
        # while, the test of leaks allows little.
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:quarantine_size_mb=8",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # so that an overrun of a small object is one of its memory
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [sys.executable, __file__, "--inside", extension, *arguments],
        env=os.environ | environment,
        check=False,
    ).returncode


def run_tests(extension: str, arguments: list[str]) -> int:
    """Run the tests in this process, with the extension at a path."""
    import pytest

    spec = importlib.util.spec_from_file_location(NAME, extension)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    from audiospec.compiled import library

    assert library.library() is module
    print(f"with sanitizers: {', '.join(library.instruction_sets())}", flush=True)
    # Reports of the sanitizers are written past Python; pytest must not keep them from being seen.
    options = ["-q", "--capture=sys", "-p", "no:cacheprovider", "--timeout=0"]
    return pytest.main([*options, str(Path(__file__).parent), *arguments])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        sys.exit(run_tests(sys.argv[2], sys.argv[3:]))
    with tempfile.TemporaryDirectory() as name:
        chosen = os.environ.get("CC", "gcc")
        sys.exit(check(build(Path(name), chosen), chosen, sys.argv[1:]))
