"""frames: any number of labels a frame of a network's output, so that events get their onsets and offsets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation
from audiospec.annotations.frames import frame_labels
from audiospec.zoo.scores.measuring.event_counts import count_file
from audiospec.zoo.scores.measuring.event_files import EventFile
from audiospec.zoo.scores.measuring.events import score_events
from audiospec.zoo.scores.measuring.f1 import mean_f1
from audiospec.zoo.scores.measuring.labels import choose_thresholds
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.targets.base import TargetRows, targets
from audiospec.zoo.targets.multi_label import MultiLabel
from audiospec.zoo.targets.stretches import Stretch, stretches

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

#: Most frames of a row: a thousand a second of ten minutes.
MOST_FRAMES = 600_000
#: Seconds of the median filters to choose from.
SMOOTHING = (0.0, 0.15, 0.25, 0.35, 0.5)


@targets.register
class Frames(MultiLabel):
    """Any number of labels a frame; outputs are a probability for each frame and label.

    The frames of a row divide its chunk into equal parts.

    Parameters
    ----------
    classes : sequence of str
    thresholds : sequence of float or None
        Probability of each class from which it counts as predicted, 0 to 1. None: 0.5 for each.
    frames : int
        Frames of a row; a model sets them (`Model.bound`). 0: not known yet.
    smooth : float
        Seconds of the median filter over time that probabilities go through first; 0: none.
    gap : float
        Seconds; events of a label with a shorter pause between them are one.
    least : float
        Seconds; shorter events are left out.
    """

    name = "frames"

    def __init__(
        self,
        classes: Sequence[str],
        thresholds: Sequence[float] | None = None,
        frames: int = 0,
        smooth: float = 0.0,
        gap: float = 0.0,
        least: float = 0.0,
    ) -> None:
        super().__init__(classes, thresholds)
        for name, value in (("smooth", smooth), ("gap", gap), ("least", least)):
            if not 0 <= value < math.inf:
                raise ValueError(f"expected {name} of 0 s or more; got {value!r}")
        self.smooth, self.gap, self.least = float(smooth), float(gap), float(least)
        if isinstance(frames, bool) or not isinstance(frames, int) or not 0 <= frames <= MOST_FRAMES:
            raise ValueError(f"expected 0 to {MOST_FRAMES} frames a row; got {frames!r}")
        self.frames = frames

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of a model's output for one row: (frames, classes)."""
        return (self.frames, len(self.classes))

    @property
    def of_row(self) -> MultiLabel:
        """The target of whole rows: the labels of each."""
        return MultiLabel(self.classes, self.thresholds.tolist())

    def with_frames(self, frames: int) -> Frames:
        """Return the target with another number of frames a row."""
        return self._with(frames=frames)

    def _with(self, **changes: Any) -> Frames:
        return type(self)(self.classes, **{**self.parameters(), **changes})

    @classmethod
    def of_rows(cls, view: View, numbers: NDArray[np.int64], classes: Sequence[str] | None = None) -> Self:
        """Return the target of the labels that some rows have, without frames."""
        return cls(MultiLabel.of_rows(view, numbers, classes).classes)

    def encode(self, view: View, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each frame of each row has each label: (n, frames, classes)."""
        rows, store = view.rows[numbers], view.store
        return frame_labels(
            store.annotations,
            rows["track"],
            rows["start"],
            store.tracks["seconds"][rows["track"]],
            seconds=view.chunking.seconds,
            frames=self.frames,
            classes=self.classes,
            labelling=store.labelling,
        )

    def texts(self, encoded: NDArray[Any]) -> list[str]:
        """Return the labels that each row has in any frame, joined by ``;``."""
        return super().texts(encoded.any(1))

    def reduce(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the highest probability of each label in the frames of each row: (n, classes)."""
        return outputs.max(1)

    def decode(self, outputs: NDArray[np.float64]) -> list[str]:
        """Return the labels whose probability reaches their threshold in any frame, joined by ``;``."""
        return self.texts(outputs >= self.thresholds)

    def tuned(self, outputs: NDArray[np.float64], rows: TargetRows) -> Frames:
        """Return the target with the decoding that is best on validation rows.

        The thresholds have the highest F1 of each class by frame, the median filter has the highest F1 of
        events with these thresholds; both are after the filter.
        """
        parts = list(stretches(outputs, rows))
        truth = [part.outputs >= 0.5 for part in stretches(rows.targets.astype(np.float64), rows)]
        best, found = -1.0, self
        for seconds in SMOOTHING:
            smoothed = [smooth(part.outputs, part.times, seconds) for part in parts]
            thresholds = choose_thresholds(np.concatenate(truth), np.concatenate(smoothed))
            decoding = self._with(thresholds=thresholds.tolist(), smooth=seconds)
            counts = [
                count_file(file, self.classes).events for file in decoding._files(parts, rows, smoothed)
            ]
            f1 = float(mean_f1(np.sum(counts, 0)[None])[0])
            if f1 > best:
                best, found = f1, decoding
        return found

    def score(self, outputs: NDArray[np.float64], rows: TargetRows, seed: int = 0) -> Evaluation:
        """Score the events of the stretches that rows cover; overlapping rows are averaged."""
        parts = list(stretches(outputs, rows))
        smoothed = [smooth(part.outputs, part.times, self.smooth) for part in parts]
        files = list(self._files(parts, rows, smoothed))
        return score_events(files, self.classes, units=[part.unit for part in parts], seed=seed)

    def _files(
        self, parts: Sequence[Stretch], rows: TargetRows, smoothed: Sequence[NDArray[np.float64]]
    ) -> Iterator[EventFile]:
        """Yield the true and the predicted events of each stretch."""
        store = rows.view.store
        for part, values in zip(parts, smoothed, strict=True):
            yield EventFile(
                f"{store.tracks['id'][part.track]} from {part.start:g} s",
                part.end - part.start,
                part.cut(store.annotations.of(part.track), store.labelling.column),
                self.events(values, part.times),
                values,
                part.times,
            )

    def events(self, smoothed: NDArray[np.float64], times: NDArray[np.float64]) -> list[Annotation]:
        """Return the events in frames, whose probabilities (frames, classes) are smoothed."""
        found = []
        for number, label in enumerate(self.classes):
            active = np.concatenate([[False], smoothed[:, number] >= self.thresholds[number], [False]])
            runs: list[list[float]] = []
            for first, stop in np.flatnonzero(np.diff(active)).reshape(-1, 2).tolist():
                if runs and times[first] - runs[-1][1] < self.gap:
                    runs[-1][1] = float(times[stop])
                else:
                    runs.append([float(times[first]), float(times[stop])])
            found += [
                Annotation(start=start, end=end, label=label)
                for start, end in runs
                if end - start >= self.least
            ]
        return found

    def parameters(self) -> dict[str, Any]:
        """Return thresholds, frames, and how events are decoded."""
        own = {"frames": self.frames, "smooth": self.smooth, "gap": self.gap, "least": self.least}
        return {**super().parameters(), **own}


def smooth(outputs: NDArray[np.float64], times: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Return outputs (frames, classes) after a median filter over time, of an odd number of frames."""
    from scipy.ndimage import median_filter

    width = 2 * round((seconds / (times[1] - times[0]) - 1) / 2) + 1 if seconds else 1
    if width <= 1:
        return outputs
    smoothed: NDArray[np.float64] = median_filter(outputs, size=(width, 1), mode="nearest")
    return smoothed
