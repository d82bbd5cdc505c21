"""Why a track has no row in a view."""

from __future__ import annotations

from dataclasses import replace

from audiospec.annotations.annotation import Labelling
from audiospec.annotations.overlap import chunk_targets
from audiospec.audio.info import AudioInfo
from audiospec.specs.table import TableSpec
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import TrackRecord

#: Why a track has no rows in a view whose rows are those chunks that are annotated.
NO_TARGET = "background: no annotation overlaps a chunk enough"


def too_short(view: ViewInfo, audio: AudioInfo) -> str:
    """Return why a track of this length has no chunk in a view; ``""`` if it has one."""
    rate = view.spec.sample_rate
    samples = audio.samples(rate) if audio.sample_rate else 0
    return view.chunking.reason_to_skip(samples, rate, view.spec.least_samples)


def skip_reason(view: ViewInfo, track: TrackRecord, labelling: Labelling | None = None) -> str:
    """Return why a track without a problem has no rows in a finished view.

    Parameters
    ----------
    view : ViewInfo
    track : TrackRecord
    labelling : Labelling or None
        How rows get their targets, if the view has targets.
    """
    if isinstance(view.spec, TableSpec):
        return "not in the table"
    if not track.path:
        return "no audio: imported from a table, and the dataset has no such file"
    reason = too_short(view, track.info)
    if not reason and labelling is not None and _is_background(view, track, labelling):
        return NO_TARGET
    return reason or "not computed yet: featurize again"


def _is_background(view: ViewInfo, track: TrackRecord, labelling: Labelling) -> bool:
    """Whether no chunk of a track is a row, because none has an annotation."""
    if labelling.background != "drop" or labelling.target == "frames" or track.label:
        return False
    rate = view.spec.sample_rate
    starts, samples = view.chunking.places(track.info.samples(rate), rate, view.spec.least_samples)
    any_number = labelling if labelling.target == "number" else replace(labelling, target="multi-label")
    found = chunk_targets(
        track.annotations, starts / rate, (starts + samples) / rate, track.seconds, any_number, track.id
    )
    return bool(found.is_background.all())
