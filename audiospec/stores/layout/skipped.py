"""Why a track has no row in a view."""

from __future__ import annotations

from audiospec.audio.info import AudioInfo
from audiospec.specs.table import TableSpec
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import TrackRecord


def too_short(view: ViewInfo, audio: AudioInfo) -> str:
    """Return why a track of this length has no chunk in a view; ``""`` if it has one."""
    rate = view.spec.sample_rate
    samples = audio.samples(rate) if audio.sample_rate else 0
    return view.chunking.reason_to_skip(samples, rate, view.spec.least_samples)


def skip_reason(view: ViewInfo, track: TrackRecord) -> str:
    """Return why a track without a problem has no rows in a finished view."""
    if isinstance(view.spec, TableSpec):
        return "not in the table"
    if not track.path:
        return "no audio: imported from a table, and the dataset has no such file"
    return too_short(view, track.info) or "not computed yet: featurize again"
