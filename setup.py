"""Builds the C extension where a C compiler is; pyproject.toml says everything else about the package."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, ExecError

SOURCES = Path("audiospec", "compiled", "source")
NATIVE = Extension(
    "audiospec.compiled.native",
    sources=sorted(str(path) for path in SOURCES.glob("*.c")),
    depends=sorted(str(path) for path in SOURCES.glob("*.h")),
    libraries=["m"],
    # Nothing here may go beyond the oldest processor: files for newer ones choose their own instructions.
    extra_compile_args=[
        *("-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math"),
        *("-fvisibility=hidden", "-g0", "-Wno-psabi"),
    ],
    py_limited_api=True,
)
#: One build serves all versions of Python from 3.11 on, except those without the global lock.
ABI3 = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}


@contextmanager
def captured_errors() -> Iterator[IO[bytes]]:
    """Divert what this process and those that it starts write to standard error into a file."""
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        standard_error = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)


class BuildIfPossible(build_ext):
    """Builds extensions, or says in one line why they are left out: audiospec works without them."""

    def run(self) -> None:
        """Build all extensions, or none."""
        folders = [Path(self.build_lib), *([Path()] if self.inplace else [])]
        try:
            super().run()
        except (BaseError, CCompilerError, OSError) as error:
            print(f"audiospec is built without its compiled kernels: {error}", file=sys.stderr)
            for extension in self.extensions:  # those of an earlier build are of other sources
                for folder in folders:
                    Path(folder, self.get_ext_filename(extension.name)).unlink(missing_ok=True)
            self.extensions = self.distribution.ext_modules = []

    def build_extensions(self) -> None:
        """Build all extensions; of a compiler's messages about an error, keep the first."""
        command = getattr(self.compiler, "compiler_so", None)
        if command and shutil.which(command[0]) is None:
            raise ExecError(f"there is no C compiler {command[0]!r}")
        with captured_errors() as messages:
            try:
                super().build_extensions()
            except (BaseError, CCompilerError) as error:
                messages.seek(0)
                lines = messages.read().decode(errors="replace").splitlines()
                said = [line for line in lines if "error: " in line] or lines[-1:] or [str(error)]
                raise ExecError(f"the C compiler failed: {said[0]}") from error
            messages.seek(0)
            warnings = messages.read()
        sys.stderr.write(warnings.decode(errors="replace"))


class Wheel(bdist_wheel):
    """Makes a wheel for this kind of machine, or one for every kind if it has no extension."""

    def run(self) -> None:
        """Build the extensions, which decides for what the wheel is, and make it."""
        self.run_command("build_ext")
        self.root_is_pure = not self.distribution.has_ext_modules()
        super().run()


setup(ext_modules=[NATIVE], options=ABI3, cmdclass={"build_ext": BuildIfPossible, "bdist_wheel": Wheel})
