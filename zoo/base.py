"""Model: what every entry of the zoo is; the registry of models.

A model is one file of `audiospec.zoo.models`, or of another package (entry point ``audiospec.models``), under
``@models.register``. Its `Settings` are its parameters; the rest of the zoo knows nothing else of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import AudiospecError, ModelError
from audiospec.fields import Fields
from audiospec.registry import Registry

if TYPE_CHECKING:
    from audiospec.specs.base import FeatureSpec
    from audiospec.stores.layout.view import View

#: Name, in a training's folder, of what `Model.fit` needs to go on after it was killed.
CHECKPOINT = "checkpoint"

models: Registry[type[Model]] = Registry("model", "audiospec.zoo.models", "audiospec.models")

#: Called after each epoch with what the history has of it.
Progress = Callable[[dict[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Fields):
    """A model's parameters: a frozen dataclass, whose values may come as text."""

    error: ClassVar[type[AudiospecError]] = ModelError


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a view, to train on or to score.

    Attributes
    ----------
    view : View
    numbers : ndarray of int64
        Row numbers.
    classes : list of str
        What `targets` index.
    """

    view: View
    numbers: NDArray[np.int64]
    classes: list[str]

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Class number of each row."""
        return np.searchsorted(self.classes, self.view.labels[self.numbers].astype(str))

    @property
    def tracks(self) -> NDArray[np.str_]:
        """Track id of each row."""
        return self.view.ids[self.numbers].astype(str)

    def read(self) -> NDArray[np.float32]:
        """All rows, float32, shape (n, *row_shape)."""
        return self.view.read(self.numbers).astype(np.float32)


class Layer(NamedTuple):
    """A part of a model: its name and kind, the shape (without the batch) it gives, and its weights."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


class Model(ABC):
    """A classifier of a view's rows.

    Parameters
    ----------
    settings : ModelSettings
        An instance of the class's `Settings`.
    row_shape : tuple of int
        Shape of one row.
    classes : sequence of str
        Sorted.

    Attributes
    ----------
    input : str
        What it reads: rows of a kind, ``"table"`` or ``"spectrogram"``, whatever feature they are of; or of
        one feature, by its name (see `FeatureSpec.is_of`).
    shares : (float, float, float)
        Of rows to train, validate and test, as the study has them for such models.
    """

    input: ClassVar[str]
    shares: ClassVar[tuple[float, float, float]]
    Settings: ClassVar[type[ModelSettings]]

    def __init__(self, settings: ModelSettings, row_shape: tuple[int, ...], classes: Sequence[str]) -> None:
        self.settings: Any = settings
        self.row_shape = row_shape
        self.classes = list(classes)

    @classmethod
    def reads(cls, spec: FeatureSpec) -> bool:
        """Whether the rows of a spec are what the model reads."""
        return spec.is_of(cls.input)

    @abstractmethod
    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Train; the same rows, settings and seed give the same model on one machine.

        Parameters
        ----------
        train, valid : Rows
            `valid` may be empty for models without epochs.
        seed : int
            Of all that is random.
        work : Path or None
            A folder where a model may keep a file or folder `CHECKPOINT`. If it is there already, training
            goes on from it, and ends as if it had never stopped.
        progress : callable or None
            Called after each epoch; also with those before the checkpoint.

        Returns
        -------
        list of dict
            The history, an entry an epoch; empty for models without epochs.

        Raises
        ------
        ModelError
            Nothing can be learnt from these rows.
        """

    @abstractmethod
    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities (n, classes) of rows (n, *row_shape); each row adds up to 1."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was learnt into files of `folder`; no code, and no pickle."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Take over what `save` wrote.

        Raises
        ------
        ModelError
            The files are not there, or are no such model.
        """

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Count of what was learnt, such as weights; 0 if that has no meaning."""

    def layers(self) -> list[Layer]:
        """Parts of the model, as a row goes through them; nothing has to be learnt yet. Here: none."""
        return []
