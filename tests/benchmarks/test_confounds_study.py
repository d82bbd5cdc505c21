"""The confounds that the study plants: of one class, for a share of its recordings."""

from __future__ import annotations

import numpy as np
import pytest

from audiospec.benchmarks.studies.confounds import RATES, columns, labelled, trial
from audiospec.doctor.checks.confounds import Confounds
from audiospec.manifest import Manifest, Track


def manifest() -> Manifest:
    """Ten recordings of two clips in each of three classes."""
    tracks = tuple(
        Track(id=f"{number:02}", path="x.wav", label="abc"[number // 20], group=f"g{number // 2}")
        for number in range(60)
    )
    return Manifest("made", "nowhere", tracks)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_share_of_one_class_has_another_rate(share: float) -> None:
    tracks = labelled(manifest())
    assert int(tracks.units.max()) + 1 == 30
    for seed in range(5):
        *others, rate = columns(tracks, share, seed)
        other = rate.values == RATES[1]
        assert other.sum() == 20 * share
        assert len({*np.flatnonzero(other) // 20}) == 1
        assert (rate.values[::2] == rate.values[1::2]).all()
        assert all((column.values[::2] == column.values[1::2]).all() for column in others)


def test_without_a_confound_all_is_random() -> None:
    assert [column.name for column in columns(labelled(manifest()), 0.0, 0)] == [
        "random 0",
        "random 1",
        "random 2",
    ]


def test_a_whole_class_of_another_rate_is_found() -> None:
    check = Confounds(permutations=9, alarm=0.1, folds=3)
    assert trial(labelled(manifest()), 1.0, 0, check) == {"found": True, "error": True, "named": True}
