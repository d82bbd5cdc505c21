"""A diagnosis: order, settings, what could not be checked, and JSON from elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec import Diagnosis, Finding
from audiospec.doctor import diagnosis as module
from audiospec.doctor.checks.base import Check
from audiospec.doctor.examined import Examined
from audiospec.doctor.rows import blocks, whole_rows
from audiospec.errors import AudiospecError, NotCheckedError
from audiospec.registry import Registry
from audiospec.stores import stores
from audiospec.testing.stores.content import Content, publish

checks: Registry[type[Check]] = Registry("check", "audiospec.doctor.fixes", "audiospec.no-such-group")


@checks.register(name="loud-tracks")
@dataclass(frozen=True)
class Loud(Check):
    """Tracks whose numbers are multiples."""

    of: int = 2

    def run(self, examined: Examined) -> list[Finding]:
        """Return one finding of the multiples, and a smaller one that is worse."""
        numbers = tuple(range(0, len(examined.tracks), self.of))
        return [
            Finding(check="loud-tracks", severity="warning", title="few", advice="look", tracks=(1,)),
            Finding(check="loud-tracks", severity="warning", title="many", advice="look", tracks=numbers),
            Finding(check="loud-tracks", severity="error", title="worst", advice="look"),
        ]


@checks.register(name="blind")
@dataclass(frozen=True)
class Blind(Check):
    """Sees nothing."""

    def run(self, examined: Examined) -> list[Finding]:
        """Raise: it lacks what it looks at."""
        raise NotCheckedError("no eyes", "open them")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "checks", checks)
    publish(stores["zarr"], tmp_path / "s.zarr", Content.make())
    return tmp_path / "s.zarr"


def test_worst_first_and_what_was_not_checked(store: Path) -> None:
    diagnosis = audiospec.diagnose(store, names=["blind", "loud-tracks"])
    assert [finding.title for finding in diagnosis.findings] == ["worst", "many", "few"]
    assert diagnosis.findings[1].tracks == (0, 2, 4)
    assert diagnosis.not_checked == {"blind": "no eyes: open them"}
    assert diagnosis.checked == ("loud-tracks",)
    assert not diagnosis.is_healthy
    assert audiospec.diagnose(store, names=["blind"]).is_healthy
    assert Diagnosis.from_dict(json.loads(json.dumps(diagnosis.to_dict()))) == diagnosis


def test_settings(store: Path) -> None:
    for key in ("loud-tracks.of", "loud_tracks.of"):
        found = audiospec.diagnose(store, names=["loud-tracks"], settings={key: "4"}).findings
        assert found[1].tracks == (0, 4)
    for settings, text in (
        ({"loud-tracks.off": 1}, "has no parameter 'off'; did you mean 'of'"),
        ({"loud-tracks.of": "x"}, "parameter of must be"),
        ({"lout-tracks.of": 1}, "did you mean 'loud-tracks'"),
        ({"of": 1}, "write CHECK.FIELD=VALUE"),
    ):
        with pytest.raises(AudiospecError, match=text):
            audiospec.diagnose(store, names=["loud-tracks"], settings=settings)
    with pytest.raises(AudiospecError, match="blind-one"):
        audiospec.diagnose(store, names=["blind-one"])


@pytest.mark.parametrize(
    "change",
    [
        {"findings": [{"check": "x"}]},
        {"findings": "x"},
        {"tracks": 1},
        {"tracks": None},
        {"not_checked": []},
    ],
)
def test_what_is_no_diagnosis(store: Path, change: dict[str, Any]) -> None:
    value = {**audiospec.diagnose(store, names=["loud-tracks"]).to_dict(), **change}
    with pytest.raises(AudiospecError):
        Diagnosis.from_dict(value)


@pytest.mark.parametrize("change", [{"severity": "bad"}, {"details": ("a",)}, {"details": ("a", "b", "c")}])
def test_what_is_no_finding(change: dict[str, Any]) -> None:
    values = {"check": "x", "severity": "note", "title": "t", "advice": "a", "tracks": (0, 1)}
    assert Finding(**values).to_dict()["tracks"] == [0, 1]
    with pytest.raises(ValueError, match=r"severity|details"):
        Finding(**{**values, **change})


@pytest.mark.parametrize("kind", list(stores))
@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_damaged_rows_are_left_out(kind: str, dtype: str, tmp_path: Path) -> None:
    """One row has another checksum: it is not among the whole ones, and all others are as `read` says."""
    content = Content.make(dtype=dtype)
    content.rows["checksum"][5] ^= 1
    path = tmp_path / f"s{stores[kind].suffixes[0]}"
    publish(stores[kind], path, content)
    view = audiospec.open_store(path).view()
    numbers, values = whole_rows(view, np.array([9, 5, 0]))
    assert numbers.tolist() == [9, 0]
    assert values.tobytes() == np.stack([view.read(9), view.read(0)]).tobytes()
    assert [number for block, _ in blocks(view) for number in block.tolist()] == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_a_missing_shard_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    publish(stores["zarr"], path, Content.make())
    view = audiospec.open_store(path).view()
    (path / "views" / view.name / "data/c/1/0/0").unlink()
    found = [number for block, _ in blocks(audiospec.open_store(path).view()) for number in block.tolist()]
    assert found == [0, 1, 2, 3, 8, 9]
