"""The reason why there are no compiled kernels, as users read it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from audiospec.compiled import library

ROOT = Path(__file__).parents[2]
SHOW = (
    "from audiospec.compiled import library as l; "
    "print(l.library(), l.instruction_sets(), l.reason_missing())"
)


def installed(folder: Path, extension: bytes | None) -> str:
    """Return what an installation says whose extension has these bytes; None: it has no extension."""
    package = folder / "audiospec"
    (package / "compiled").mkdir(parents=True)
    shutil.copy(ROOT / "audiospec" / "__init__.py", package)
    shutil.copy(ROOT / "audiospec" / "version.py", package)
    for file in (ROOT / "audiospec" / "compiled").glob("*.py*"):
        shutil.copy(file, package / "compiled")
    if extension is not None:
        (package / "compiled" / "native.abi3.so").write_bytes(extension)
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
    return done.stdout


def test_it_is_there_or_a_reason_is() -> None:
    assert (library.library() is None) == bool(library.reason_missing()) == (not library.instruction_sets())


def test_it_was_not_built(tmp_path: Path) -> None:
    said = installed(tmp_path, None)
    assert said.startswith("None () it was not built: no C compiler worked when audiospec was installed")
    assert "install one, such as gcc, with Python's headers, and install audiospec again" in said


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' libraries are not ELF files")
def test_it_was_built_for_another_machine(tmp_path: Path) -> None:
    with open(sys.executable, "rb") as file:
        header = bytearray(file.read(64))
    (machine,) = struct.unpack_from("=H", header, 18)
    struct.pack_into("=H", header, 18, {62: 183}.get(machine, 62))  # x86-64: 62, AArch64: 183
    said = installed(tmp_path, bytes(header))
    assert said == "None () it was built for another kind of machine (install audiospec again on this one)\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' libraries are not ELF files")
def test_it_does_not_load(tmp_path: Path) -> None:
    said = installed(tmp_path, b"nothing")
    assert said.startswith("None () it does not load: ")
    assert "native.abi3.so" in said
    assert said.endswith(" (install audiospec again)\n")


@pytest.mark.parametrize("compiler", ["absent", "broken", "without headers"])
def test_a_build_without_a_compiler_says_so_in_one_line(tmp_path: Path, compiler: str) -> None:
    """It is no error. An extension of an earlier build is removed, as its sources may have been others."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "audiospec" / "compiled", tmp_path / "audiospec" / "compiled")
    shutil.copy(ROOT / "audiospec" / "version.py", tmp_path / "audiospec")
    left = tmp_path / "audiospec" / "compiled" / "native.abi3.so"
    left.write_bytes(b"of other sources")
    scripts = {
        "broken": "echo cannot run >&2\nexit 1",
        "without headers": "echo 'm.c:4: fatal error: Python.h: No such file' >&2\necho more >&2\nexit 1",
    }
    program = tmp_path / "compiler"
    if compiler in scripts:
        program.write_text(f"#!/bin/sh\n{scripts[compiler]}\n", encoding="utf-8")
        program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=tmp_path,
        env=os.environ | {"CC": str(program)},
        capture_output=True,
        text=True,
        check=True,
    )
    reasons = {
        "absent": f"there is no C compiler '{program}'",
        "broken": "the C compiler failed: cannot run",
        "without headers": "the C compiler failed: m.c:4: fatal error: Python.h: No such file",
    }
    (line,) = done.stderr.splitlines()
    assert line == f"audiospec is built without its compiled kernels: {reasons[compiler]}"
    assert not left.exists()
