"""start: how long a command takes that does next to nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

from audiospec.benchmarks.audio import folder
from audiospec.benchmarks.base import Case, Contender, Limit, NotRun, Setup, Suite, Table, as_a_user, suites

#: Modules that help has no use for.
HEAVY = ("torch", "zarr", "h5py", "sklearn", "matplotlib", "numpy")


@suites.register
class Start(Suite):
    """`audiospec --help`, and `audiospec featurize` of ten tracks, everything included."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Help, then ten tracks."""
        yield Case(
            name="audiospec --help",
            amount=1,
            unit="commands",
            contenders=[
                Contender(name="audiospec --help", role="ours", call=lambda _: _help()),
                Contender(name="python -c pass", role="floor", call=lambda _: _run("-c", "pass")),
            ],
            targets=[Limit("seconds", 0.3)],
            memory="children",
            note="that nothing heavy is loaded was checked: " + ", ".join(HEAVY),
        )
        data = folder(setup, setup.folder / "ten", count=10)
        store = setup.folder / "ten.zarr"
        command = ("-m", "audiospec", "featurize", "folder", "--data", str(data), "--store", str(store))
        yield Case(
            name="audiospec featurize, ten tracks of 30 s",
            amount=10,
            unit="tracks",
            contenders=[
                Contender(
                    name="audiospec featurize",
                    role="ours",
                    call=lambda _: _run(*command),
                    before=lambda: shutil.rmtree(store, ignore_errors=True),
                ),
                Contender(
                    name="python -c 'import torch'", role="floor", call=lambda _: _run("-c", "import torch")
                ),
            ],
            targets=[Limit("seconds", 3.0)],
            memory="children",
            seconds=30,
        )


def _run(*arguments: str) -> None:
    """Run Python as a user starts it."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=as_a_user())


def _help() -> None:
    """Help, and whether it stays light."""
    code = (
        "import sys; sys.argv = ['audiospec', '--help']; from audiospec import cli; cli.main(); "
        f"sys.exit(any(name in sys.modules for name in {HEAVY}))"
    )
    _run("-c", code)
