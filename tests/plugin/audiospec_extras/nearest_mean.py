"""nearest-mean: predicts the class with the nearest mean row, on rows of the feature `modulation`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.base import Model, ModelSettings, Progress, Rows, models

FILE = "model.npy"


@models.register(name="nearest-mean")
class NearestMean(Model):
    """Nearest-mean classifier; probabilities are the softmax of the negative distances."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        """Parameters of the distance.

        Parameters
        ----------
        sharpness : float
            Factor of the distances before the softmax.
        """

        sharpness: float = 1.0

    input = "modulation"
    shares = (0.8, 0.0, 0.2)
    means: NDArray[np.float64]

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Compute the mean row of each class."""
        rows, targets = train.read().astype(np.float64), train.targets
        missing = [name for number, name in enumerate(self.classes) if number not in targets]
        if missing:
            raise ModelError(f"expected training rows of every class; class {missing[0]!r} has none")
        self.means = np.stack([rows[targets == number].mean(0) for number in range(len(self.classes))])
        return []

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities, shape (n, classes)."""
        difference = rows[:, None].astype(np.float64) - self.means
        distances = np.sqrt((difference**2).mean(axis=tuple(range(2, difference.ndim))))
        weights = np.exp(-self.settings.sharpness * (distances - distances.min(1, keepdims=True)))
        shares: NDArray[np.float64] = weights / weights.sum(1, keepdims=True)
        return shares

    def save(self, folder: Path) -> None:
        """Write the means."""
        np.save(folder / FILE, self.means, allow_pickle=False)

    def load(self, folder: Path) -> None:
        """Read the means."""
        try:
            means = np.load(folder / FILE, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ModelError(f"{folder / FILE} cannot be read ({error})", "train again") from error
        if means.shape != (len(self.classes), *self.row_shape):
            raise ModelError(
                f"expected means of shape {(len(self.classes), *self.row_shape)} in {folder / FILE}; "
                f"got {means.shape}",
                "train again",
            )
        self.means = means

    @property
    def parameters(self) -> int:
        """Number of values in the means."""
        return len(self.classes) * int(np.prod(self.row_shape))
