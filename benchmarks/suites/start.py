"""start: the time of commands that do little work."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from audiospec.benchmarks.audio import make_folder
from audiospec.benchmarks.base import (
    PYTHON,
    Case,
    Contender,
    Limit,
    NotRun,
    Setup,
    Suite,
    Table,
    suites,
    user_environment,
)
from audiospec.features.native.base import native_reason
from audiospec.specs.mel import MelSpec

#: Modules that ``--help`` must not load.
HEAVY = ("torch", "zarr", "h5py", "sklearn", "matplotlib", "numpy")
#: Libraries that a worker needs for log-mel.
WORKER = ("numpy", "soundfile", "soxr", "xxhash", "google_crc32c")


@suites.register
class Start(Suite):
    """`audiospec --help`, and `audiospec featurize` for ten tracks, start-up included."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield a case for help, then one for ten tracks."""
        yield Case(
            name="audiospec --help",
            amount=1,
            unit="commands",
            contenders=[
                Contender(name="audiospec --help", role="ours", call=lambda _: _run_help()),
                Contender(name="python -c pass", role="floor", call=lambda _: _run("-c", "pass")),
            ],
            targets=[Limit("seconds", 0.2)],
            memory="children",
            note="checked: help loads none of " + ", ".join(HEAVY),
        )
        data = make_folder(setup, setup.folder / "ten", count=10)
        store = setup.folder / "ten.zarr"
        command = ("-m", "audiospec", "featurize", "folder", "--data", str(data), "--store", str(store))
        reason = native_reason(MelSpec())
        options = {"audiospec featurize": (), "audiospec featurize --backend fft": ("--backend", "fft")}
        names = list(options)[: 1 if reason else 2]
        imports = f"import {', '.join(WORKER)}"
        yield Case(
            name="audiospec featurize, ten tracks of 30 s",
            amount=10,
            unit="tracks",
            contenders=[
                *(
                    Contender(
                        name=name,
                        role="ours" if name == names[0] else "peer",
                        call=lambda _, options=options[name]: _run(*command, *options),  # type: ignore[misc]
                        before=lambda: shutil.rmtree(store, ignore_errors=True),
                    )
                    for name in names
                ),
                Contender(name=f"python -c '{imports}'", role="floor", call=lambda _: _run("-c", imports)),
            ],
            targets=[Limit("seconds", 1.0)],
            memory="children",
            seconds=20,
            missing={"audiospec, backend native": reason} if reason else {},
        )


def _run(*arguments: str) -> None:
    """Run Python in a user's environment."""
    subprocess.run([*PYTHON, *arguments], check=True, stdout=subprocess.DEVNULL, env=user_environment())


def _run_help() -> None:
    """Run ``audiospec --help``; fail if it loads a heavy module."""
    code = (
        "import sys; sys.argv = ['audiospec', '--help']; from audiospec import cli; cli.main(); "
        f"sys.exit(any(name in sys.modules for name in {HEAVY}))"
    )
    _run("-c", code)
