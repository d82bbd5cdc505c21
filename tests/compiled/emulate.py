"""Run the tests of log-mel on code for another kind of processor, which an emulator executes.

    python tests/compiled/emulate.py aarch64-linux-gnu-gcc qemu-aarch64
    python tests/compiled/emulate.py i686-linux-gnu-gcc qemu-i386

The kernels are compiled into a program that computes what it reads. A stand-in for the extension, in this
process, passes the tests' transforms to it. The extension checks arguments, so those tests are left out.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
import pytest
from numpy.typing import NDArray

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "audiospec" / "compiled" / "source"
KERNELS = sorted(path for path in SOURCES.glob("*.c") if "Python.h" not in path.read_text(encoding="utf-8"))
FLAGS = ("-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", "-static")


class Program:
    """The program that computes transforms, and the names of its instruction sets, best first."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()
        self.names = tuple(self._pipe(self._process.stdout).readline().decode().split())

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe

    def compute(self, request: bytes, size: int) -> tuple[float, float, bool, bytes]:
        """Return smallest and largest value of a row, whether one is NaN, and the row's bytes."""
        with self._lock:
            self._pipe(self._process.stdin).write(request)
            self._pipe(self._process.stdin).flush()
            answer = self._pipe(self._process.stdout).read(12 + size)
        assert len(answer) == 12 + size, f"the program ended with status {self._process.wait()}"
        low, high, has_nan = struct.unpack("ffi", answer[:12])
        return low, high, bool(has_nan), answer[12:]


def stand_in(program: Program) -> ModuleType:
    """Return a module like the extension."""

    class LogMel:
        def __init__(self, instruction_set: str, **arguments: Any) -> None:
            if instruction_set not in ("", *program.names):
                raise ValueError(f"this processor has no instruction set '{instruction_set}'")
            self._set = program.names.index(instruction_set) if instruction_set else 0
            self._arguments = arguments
            self._n_fft, self._n_mels = len(arguments["window"]), len(arguments["starts"])

        def frames(self, samples: int) -> int:
            padding, hop_length = self._arguments["padding"], self._arguments["hop_length"]
            half = self._n_fft // 2 if padding else 0
            if samples < 1 or (padding == 1 and samples <= half) or samples + 2 * half < self._n_fft:
                return 0
            return 1 + (samples + 2 * half - self._n_fft) // hop_length

        def scratch_bytes(self, samples: int) -> int:
            return 0

        def write(self, wave: NDArray[Any], out: NDArray[Any], scratch: Any) -> tuple[float, float]:
            if not self.frames(len(wave)):
                raise ValueError("0 frames")
            given = self._arguments
            names = ("hop_length", "power", "padding", "decibels", "peak_reference")
            sizes = (len(given["weights"]), len(wave), out.itemsize)
            floats = (given[name] for name in ("amin", "reference", "top_db", "offset", "scale"))
            whole = (given["hop_length"], self._n_mels, *(given[name] for name in names[1:]), *sizes)
            arrays = [given[name] for name in ("window", "starts", "counts", "weights")]
            request = struct.pack("11q5d", self._set, self._n_fft, *whole, *floats)
            request += b"".join(array.tobytes() for array in (*arrays, wave))
            low, high, has_nan, row = program.compute(request, out.nbytes)
            out.reshape(-1).view(np.uint8)[:] = np.frombuffer(row, np.uint8)
            return (np.nan, np.nan) if has_nan else (low, high)

    module = ModuleType("audiospec.compiled.native")
    module.__dict__.update(LogMel=LogMel, instruction_sets=lambda: program.names)
    return module


def main(compiler: str, emulator: str, *arguments: str) -> int:
    """Compile, and run the tests; return their exit status."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "emulate")
        sources = [HERE / "emulate.c", *KERNELS]
        subprocess.run([compiler, *FLAGS, f"-I{SOURCES}", *sources, "-o", program, "-lm"], check=True)
        running = Program([emulator, str(program)])
        print(f"{compiler}: {', '.join(running.names)}", flush=True)
        sys.modules["audiospec.compiled.native"] = stand_in(running)
        return pytest.main(
            ["-q", "-p", "no:cacheprovider", "--timeout=0", str(HERE / "test_log_mel.py"), *arguments]
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
