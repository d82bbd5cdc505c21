"""CheckContract: the tests that every check of a doctor must pass, as a class to inherit from.

A check is tested by one subclass::

    class TestMine(CheckContract):
        name = "mine"
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from audiospec.datasets.demo import Demo
from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.errors import AudiospecError, NotCheckedError
from audiospec.pipeline.featurize import featurize
from audiospec.specs.mel import MelSpec
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.tracks import Tracks
from audiospec.tables.importing import import_table
from audiospec.testing.stores.content import tree_state
from audiospec.text import printable

_MEL = MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
#: Labels that a page or a terminal must not act on, that nobody sees, and that do not fit a line.
ODD_LABELS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred\x1b[0m",
    "[bold]rich[/bold]",
    "two\nlines\r\x07",
    "\u202eright to left",
    "\u2028 \u200b",
    "x" * 3000,
    "{0} %s `code` \\",
    "",
)


def _healthy(folder: Path) -> Path:
    path = folder / "healthy.zarr"
    manifest = Demo(folder / "audio", tracks=4, seconds=1).manifest()
    featurize(manifest, spec=_MEL, chunk=0.5, store=path, workers=0)
    return path


def _hdf5(folder: Path) -> Path:
    path = folder / "healthy.h5"
    open_store(sample_store("healthy")).export(path)
    return path


def _bytes(folder: Path) -> Path:
    path = folder / "bytes.zarr"
    manifest = Demo(folder / "audio", tracks=2, seconds=1).manifest()
    featurize(manifest, spec=replace(_MEL, dtype="uint8"), chunk=0.5, store=path, workers=0)
    return path


def _table(folder: Path) -> Path:
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,label"]
    for number in range(24):
        a, b = random.normal(size=2).round(4).tolist()
        lines.append(f"{'xyz'[number % 3]}.{number:05d}.wav,22050,{a},{b},{'xyz'[number % 3]}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return Path(str(import_table(folder / "table.csv", folder / "table.zarr", columns="all").store.path))


def _odd(folder: Path) -> Path:
    path = folder / "odd.zarr"
    shutil.copytree(sample_store("healthy"), path)
    store = open_store(path)
    labels = dict(zip(sorted({*store.tracks["label"]}), ODD_LABELS, strict=True))
    records = [
        replace(
            record,
            id=f"<b>{record.id}\x1b[2J</b>",
            label=labels[record.label],
            group=record.group and f"{record.group}\u202e\n",
            note="\x1b]0;title\x07: <i>odd</i>" if record.id.endswith("1") else "",
        )
        for record in store.tracks.records()
    ]
    with locked(path) as work:
        type(store).publish(path, work, store.store_attributes(), Tracks.from_records(records), None)
    return path


def _damaged(folder: Path) -> Path:
    path = folder / "damaged.zarr"
    shutil.copytree(sample_store("healthy"), path)
    file = _first_shard(path)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    return path


def _lost(folder: Path) -> Path:
    path = folder / "lost.zarr"
    shutil.copytree(sample_store("healthy"), path)
    _first_shard(path).unlink()
    return path


def _first_shard(path: Path) -> Path:
    return path / "views" / open_store(path).view().name / "data" / "c" / "0" / "0" / "0"


#: Kind of store → what makes one.
_MAKERS: dict[str, Callable[[Path], Path]] = {
    "healthy": _healthy,
    "hdf5": _hdf5,
    "bytes": _bytes,
    "table": _table,
    "odd labels": _odd,
    "damaged": _damaged,
    "lost": _lost,
}
#: Kinds of stores that each check looks at.
STORES = tuple(_MAKERS)


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def sample_store(kind: str) -> Path:
    """Return a small store, made once in a process; nothing may change it.

    Parameters
    ----------
    kind : str
        ``"healthy"``: synthetic music, ten labels by four artists each; ``"hdf5"``: the same; ``"bytes"``: a
        view of bytes; ``"table"``: without a log-mel view and without audio; ``"odd labels"``: with markup
        and escape codes as labels, ids and groups; ``"damaged"``: with a bit flipped in a row;
        ``"lost"``: without its first shard.
    """
    return _MAKERS[kind](_folder())


class CheckContract:
    """Tests that every check passes.

    Attributes
    ----------
    name : str
        The check's name in the registry.
    settings : mapping of str to object
        Settings under which it is tested, such as fewer repetitions; empty: the defaults.
    """

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}

    def make(self) -> Check:
        """Return the check."""
        return checks[self.name].replace_in(self.settings, f"check {self.name!r}")

    def findings(self, store: FeatureStore, seed: int = 0) -> list[Finding] | None:
        """Return what the check finds in a store; None if it cannot look, which it must explain in a line."""
        try:
            return self.make().run(Examined(store, seed=seed))
        except NotCheckedError as not_checked:
            reason = not_checked.reason
        assert reason
        assert "\n" not in reason
        return None

    def test_is_registered(self) -> None:
        """The registry has it under its name, with a summary in one line."""
        assert issubclass(checks[self.name], Check)
        assert 0 < len(checks.summary(self.name)) <= 120

    def test_its_settings_have_defaults(self) -> None:
        """It can be made without settings; the error for an unknown one names it."""
        assert checks[self.name]() == checks[self.name].replace_in({})
        with pytest.raises(AudiospecError, match="nothing_of_this_name") as caught:
            checks[self.name].replace_in({"nothing_of_this_name": 1}, f"check {self.name!r}")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("kind", ["healthy", "hdf5"])
    def test_nothing_is_wrong_with_a_healthy_store(self, kind: str) -> None:
        """It has no finding that is an error."""
        found = self.findings(open_store(sample_store(kind))) or []
        assert [finding.title for finding in found if finding.severity == "error"] == []

    @pytest.mark.parametrize("kind", STORES)
    def test_looks_at_every_store(self, kind: str) -> None:
        """Findings can be printed and sent; they name tracks of the store, which stays as it was."""
        path = sample_store(kind)
        before = tree_state(path, times=False)
        store = open_store(path)
        found = self.findings(store)
        assert tree_state(path, times=False) == before
        for finding in found or []:
            assert finding.check == self.name
            for line in (finding.title, finding.advice, *finding.details):
                assert line.strip()
                assert printable(line) == line, repr(line)
            assert len(finding.title) <= 600
            assert len({*finding.tracks}) == len(finding.tracks)
            named = [*finding.tracks, *(number for group in finding.groups for number in group)]
            assert all(0 <= number < len(store.tracks) for number in named)
            sent = json.dumps(finding.to_dict(), allow_nan=False)
            received = Finding.from_dict(json.loads(sent))
            assert json.dumps(received.to_dict(), allow_nan=False) == sent

    @pytest.mark.parametrize("kind", ["healthy", "odd labels"])
    def test_the_seed_determines_what_is_found(self, kind: str) -> None:
        """Two looks at a store with one seed are equal."""
        first, second = (self.findings(open_store(sample_store(kind)), seed=3) for _ in range(2))
        assert (first is None) == (second is None)
        assert [one.to_dict() for one in first or []] == [one.to_dict() for one in second or []]
