"""The table of tracks: sorted and filtered as plain Python would."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.errors import StoreError
from audiospec.explorer.catalogue import Catalogue, Filters, Outputs, Query
from audiospec.explorer.histograms import histogram
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks

LABELS = ("", "ant", "Bee", "<b>", "é")
SIDES = ("", "train", "valid", "test")
COLUMNS = (
    *("number", "id", "label", "group", "seconds", "duplicates", "side", "predicted", "probability"),
    *("loss", "findings", "finding", "corrected", "sample_rate"),
)

numbers = st.sampled_from([0.0, 0.25, 1.0, math.nan])
track = st.fixed_dictionaries(
    {
        "label": st.sampled_from(LABELS),
        "group": st.sampled_from(LABELS),
        "cluster": st.sampled_from(("", "x", "y")),
        "seconds": st.sampled_from([0.5, 1.0, 2.0]),
        "sample_rate": st.sampled_from([8000, 44100]),
        "side": st.sampled_from(SIDES),
        "predicted": st.sampled_from(LABELS),
        "probability": numbers,
        "loss": numbers,
        "findings": st.integers(0, 2),
        "corrected": st.booleans(),
    }
)
queries = st.builds(
    Query,
    sort=st.sampled_from(COLUMNS),
    descending=st.booleans(),
    label=st.sampled_from(LABELS),
    side=st.sampled_from(SIDES),
    predicted=st.sampled_from(LABELS),
    finding=st.sampled_from(("", "some")),
    error=st.booleans(),
    corrected=st.booleans(),
    text=st.sampled_from(("", "1", "T0", "none")),
)


def reference(rows: list[dict[str, Any]], query: Query, found: list[int]) -> list[int]:
    """Return what `Catalogue.numbers` returns, by plain Python."""
    kept = [
        row
        for row in rows
        if query.label in ("", row["label"])
        and query.side in ("", row["side"])
        and query.predicted in ("", row["predicted"])
        and (not query.finding or row["number"] in found)
        and (not query.error or row["wrong"])
        and (not query.corrected or row["corrected"])
        and query.text.lower() in row["id"].lower()
    ]

    def key(row: dict[str, Any]) -> Any:
        if query.sort == "finding":
            if not query.finding:
                return row["number"]
            return found.index(row["number"]) if row["number"] in found else None
        value = row[query.sort]
        if value == "" or (isinstance(value, float) and math.isnan(value)):
            return None
        return (1 if value else None) if query.sort == "corrected" else value

    known = [row for row in kept if key(row) is not None]
    # Equal values stay in the order of the store, in both directions.
    known.sort(key=key, reverse=query.descending)
    if query.descending:
        values = [key(row) for row in known]
        known = [row for value in dict.fromkeys(values) for row in kept if key(row) == value]
    return [row["number"] for row in [*known, *(row for row in kept if key(row) is None)]]


@given(st.lists(track, min_size=1, max_size=12), queries, st.randoms(use_true_random=False))
def test_queries_are_answered_as_by_plain_python(rows: Any, query: Query, random: Any) -> None:
    clusters = [row["cluster"] for row in rows]
    for number, row in enumerate(rows):
        row["number"], row["id"] = number, f"t{number}"
        row["wrong"] = row["predicted"] not in ("", row["label"])
        row["duplicates"] = clusters.count(row["cluster"]) if row["cluster"] else 0
    tracks = Tracks.from_records(
        [
            TrackRecord(
                **{name: row[name] for name in ("id", "label", "group", "cluster", "seconds", "sample_rate")}
            )
            for row in rows
        ]
    )
    outputs = Outputs(
        *(np.array([row[name] for row in rows], dtype=object) for name in ("side", "predicted")),
        *(np.array([row[name] for row in rows], float) for name in ("probability", "loss")),
        np.array([row["wrong"] for row in rows]),
    )
    found = random.sample(range(len(rows)), random.randint(0, len(rows)))
    filters = Filters(
        outputs,
        np.array(found, np.int64) if query.finding else None,
        np.array([row["findings"] for row in rows]),
        np.zeros(len(rows), np.int64),
        frozenset(row["number"] for row in rows if row["corrected"]),
    )
    assert Catalogue(tracks).numbers(query, filters).tolist() == reference(rows, query, found)


def test_a_column_that_there_is_not() -> None:
    catalogue = Catalogue(Tracks.from_records([TrackRecord("a")]))
    filters = Filters(None, None, np.zeros(1, np.int64), np.zeros(1, np.int64), frozenset())
    with pytest.raises(StoreError, match="no column 'looss'; did you mean 'loss'"):
        catalogue.numbers(Query(sort="looss"), filters)


def test_labels_of_annotations_stand_for_a_label() -> None:
    from audiospec.annotations.annotation import Annotation

    annotations = tuple(
        Annotation(start=float(i), end=i + 1.0, label=label) for i, label in enumerate("abacdefg")
    )
    tracks = Tracks.from_records(
        [
            TrackRecord("a", annotations=annotations),
            TrackRecord("b", label="given", annotations=annotations),
            TrackRecord("c"),
        ]
    )
    assert Catalogue(tracks).labels.tolist() == ["a, b, c, d, e, …", "given", ""]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 1000.0, -1000.0, math.nan, math.inf]), max_size=40))
def test_a_histogram_counts_each_value_once(values: list[float]) -> None:
    array = np.array(values, float)
    found = histogram(array)
    finite = array[np.isfinite(array)]
    assert sum(found["counts"]) == len(finite)
    assert found["missing"] == len(array) - len(finite)
    assert len(found["edges"]) == (len(found["counts"]) + 1 if len(finite) else 0)
    if len(finite):
        low, high = np.quantile(finite, (0.25, 0.75))
        out = (array < low - 3 * (high - low)) | (array > high + 3 * (high - low))
        far = np.flatnonzero(out & np.isfinite(array)).tolist()
        assert sorted(found["outliers"]) == sorted(far) if len(far) <= 20 else len(found["outliers"]) == 20
