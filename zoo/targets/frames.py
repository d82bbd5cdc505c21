"""frames: any number of labels a frame of a network's output, so that events get their onsets and offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation
from audiospec.annotations.frames import frame_labels
from audiospec.zoo.events.finding import find_events
from audiospec.zoo.events.rules import EventRules
from audiospec.zoo.scores.measuring.event_counts import count_file
from audiospec.zoo.scores.measuring.event_files import EventFile
from audiospec.zoo.scores.measuring.events import score_events
from audiospec.zoo.scores.measuring.f1 import mean_f1
from audiospec.zoo.scores.measuring.labels import choose_thresholds
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.targets.base import TargetRows, targets
from audiospec.zoo.targets.decoding.stretches import Stretch, stretches
from audiospec.zoo.targets.multi_label import MultiLabel

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

#: Most frames of a row: a thousand a second of ten minutes.
MOST_FRAMES = 600_000
#: Seconds of the median filters to choose from.
MEDIANS = (0.0, 0.15, 0.25, 0.35, 0.5)


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
    median, merge, min : float
        How events are made of frames; see `EventRules`.
    """

    name = "frames"

    def __init__(
        self,
        classes: Sequence[str],
        thresholds: Sequence[float] | None = None,
        frames: int = 0,
        median: float = 0.0,
        merge: float = 0.0,
        min: float = 0.0,
    ) -> None:
        super().__init__(classes, thresholds)
        by_class = dict(zip(self.classes, self.thresholds.tolist(), strict=True))
        self.rules = EventRules(threshold=by_class, median=median, merge=merge, min=min)
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
    def of_rows(
        cls, view: View, numbers: NDArray[np.int64], classes: Sequence[str] | None = None, column: str = ""
    ) -> Self:
        """Return the target of the labels that some rows have, without frames."""
        return cls(MultiLabel.of_rows(view, numbers, classes).classes)

    def encode(self, view: View, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each frame of each row has each label: (n, frames, classes)."""
        rows, store = view.rows[numbers], view.store
        return frame_labels(
            store.tracks.annotations,
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
        return super().texts(np.asarray(encoded.any(1)))

    def reduce(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the highest probability of each label in the frames of each row: (n, classes)."""
        highest: NDArray[np.float64] = outputs.max(1)
        return highest

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
        for seconds in MEDIANS:
            smoothing = self._with(median=seconds)
            smoothed = [smoothing._smoothed(part) for part in parts]
            thresholds = choose_thresholds(np.concatenate(truth), np.concatenate(smoothed))
            decoding = smoothing._with(thresholds=thresholds.tolist())
            counts = [count_file(file, self.classes).events for file in decoding.files(parts, rows)]
            f1 = float(mean_f1(np.sum(counts, 0)[None])[0])
            if f1 > best:
                best, found = f1, decoding
        return found

    def score(self, outputs: NDArray[np.float64], rows: TargetRows, seed: int = 0) -> Evaluation:
        """Score the events of the stretches that rows cover; overlapping rows are averaged."""
        return self._score_events([(self, outputs, rows)], seed)

    def score_parts(
        self,
        parts: Sequence[tuple[NDArray[np.float64], TargetRows]],
        rows: TargetRows,
        seed: int = 0,
    ) -> Evaluation:
        """Score the events of several models together, each with its own decoding."""
        decoded = []
        for outputs, of_part in parts:
            assert isinstance(of_part.target, Frames), "parts are of one target"
            decoded.append((of_part.target, outputs, of_part))
        return self._score_events(decoded, seed)

    def _score_events(
        self, parts: Iterable[tuple[Frames, NDArray[np.float64], TargetRows]], seed: int
    ) -> Evaluation:
        files: list[EventFile] = []
        units: list[str] = []
        for target, outputs, rows in parts:
            found = list(stretches(outputs, rows))
            files += target.files(found, rows)
            units += [part.unit for part in found]
        return score_events(files, self.classes, units=units, seed=seed)

    def files(self, parts: Iterable[Stretch], rows: TargetRows) -> Iterator[EventFile]:
        """Yield the true and the predicted events of stretches of some rows."""
        for part in parts:
            yield EventFile(
                f"{rows.view.store.tracks['id'][part.track]} from {part.start:g} s",
                part.seconds,
                part.events(rows.view),
                self._events(part),
                self._smoothed(part),
                part.times,
            )

    def _events(self, part: Stretch) -> list[Annotation]:
        """Return the events that are predicted in a stretch, in seconds from its start."""
        found = find_events(part.outputs, self.classes, part.period, self.rules, seconds=part.seconds)
        return [Annotation(start=one.onset, end=one.offset, label=one.label) for one in found]

    def _smoothed(self, part: Stretch) -> NDArray[np.float64]:
        """Return the outputs of a stretch after the median filter, so that thresholds give the events."""
        from scipy.ndimage import median_filter

        width = self.rules.width(part.period)
        smoothed: NDArray[np.float64] = median_filter(part.outputs, size=(width, 1), mode="nearest")
        return smoothed

    def parameters(self) -> dict[str, Any]:
        """Return thresholds, frames, and how events are decoded."""
        rules = {name: getattr(self.rules, name) for name in ("median", "merge", "min")}
        return {**super().parameters(), "frames": self.frames, **rules}
