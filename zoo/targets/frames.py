"""frames: any number of labels a frame of a network's output, so that events get their onsets and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.frames import frame_labels
from audiospec.zoo.targets.base import targets
from audiospec.zoo.targets.multi_label import MultiLabel

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

#: Most frames of a row: a thousand a second of ten minutes.
MOST_FRAMES = 600_000


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
    """

    name = "frames"

    def __init__(
        self, classes: Sequence[str], thresholds: Sequence[float] | None = None, frames: int = 0
    ) -> None:
        super().__init__(classes, thresholds)
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
        return type(self)(self.classes, **{**self.parameters(), "frames": frames})

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

    def parameters(self) -> dict[str, Any]:
        """Return thresholds and frames."""
        return {**super().parameters(), "frames": self.frames}
