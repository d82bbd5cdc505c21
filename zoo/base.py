"""Model: the base class of every entry of the zoo; the registry of models.

A model is a class under ``@models.register``, in a file of `audiospec.zoo.models` or in another package
(entry point ``audiospec.models``). Its `Settings` are its parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import AudiospecError, ModelError
from audiospec.fields import Fields
from audiospec.registry import Registry
from audiospec.zoo.splits.units import units_of
from audiospec.zoo.targets.base import Target
from audiospec.zoo.targets.single import Single

if TYPE_CHECKING:
    from audiospec.specs.base import FeatureSpec
    from audiospec.stores.layout.view import View
    from audiospec.zoo.progress import Watch

#: Name, in a training's folder, of the file or folder from which `Model.fit` resumes.
CHECKPOINT = "checkpoint"

models: Registry[type[Model]] = Registry("model", "audiospec.zoo.models", "audiospec.models")

#: Called after each epoch with the epoch's entry of the history.
Progress = Callable[[dict[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Fields):
    """A model's parameters: a frozen dataclass, whose values may be given as text."""

    error: ClassVar[type[AudiospecError]] = ModelError

    def for_target(self, target: type[Target] | Target) -> Self:
        """Return the parameters as they are for a target, with what it decides, such as the loss.

        Raises
        ------
        ModelError
            A parameter does not fit the target.
        """
        return self

    def for_spec(self, spec: FeatureSpec) -> Self:
        """Return the parameters as they are for a view's rows, with what these decide, such as a rate.

        Raises
        ------
        ModelError
            A parameter does not fit the rows.
        """
        return self


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a view, to train on or to score.

    Attributes
    ----------
    view : View
    numbers : ndarray of int64
        Row numbers.
    target : Target
        What is to be predicted of them.
    """

    view: View
    numbers: NDArray[np.int64]
    target: Target

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def classes(self) -> list[str]:
        """What the target's outputs stand for, such as labels, sorted."""
        return self.target.classes

    @cached_property
    def targets(self) -> NDArray[Any]:
        """What is to be predicted of each row, as its target encodes it: for `single`, class numbers (n,)."""
        return self.target.encode(self.view, self.numbers)

    def some(self, chosen: NDArray[Any]) -> Rows:
        """Return some of the rows, by their places here or a mask."""
        return Rows(self.view, self.numbers[chosen], self.target)

    @property
    def tracks(self) -> NDArray[np.str_]:
        """Track id of each row, shape (n,)."""
        return self.view.ids[self.numbers].astype(str)

    @property
    def units(self) -> NDArray[np.str_]:
        """Unit of each row, shape (n,): rows of one recording or group, which are not independent."""
        return units_of(self.view)[self.numbers]

    def read(self) -> NDArray[np.float32]:
        """Return all rows as float32, shape (n, *row_shape)."""
        return self.view.read(self.numbers).astype(np.float32)


class Layer(NamedTuple):
    """A part of a model: its name and kind, the shape of its output (without the batch), its weight count."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


class TrainingMemory(NamedTuple):
    """An estimate of the memory that training takes, in bytes.

    `fixed` is for the weights, their gradients and the state of the optimiser; `row` for each row of a batch.
    """

    fixed: int
    row: int

    def of_batch(self, rows: int) -> int:
        """Return the bytes with this many rows in a batch."""
        return self.fixed + rows * self.row


class Model(ABC):
    """A model of a view's rows: a classifier, or for numbers a regressor.

    Parameters
    ----------
    settings : ModelSettings
        An instance of the class's `Settings`.
    row_shape : tuple of int
        Shape of one row.
    target : Target, or sequence of str
        What is predicted of a row. Labels, sorted, stand for one label a row.

    Attributes
    ----------
    serves : tuple of str
        Targets that it can learn: names in the registry of targets.
    input : str
        The rows that it reads: a kind of rows, ``"table"``, ``"spectrogram"`` or ``"wave"``, of any feature;
        or the name of one feature (see `FeatureSpec.is_of`).
    shares : (float, float, float)
        Default shares of training, validation and test rows. The share of test rows is 0.2 for every model,
        so that models are tested on the same tracks.
    """

    input: ClassVar[str]
    shares: ClassVar[tuple[float, float, float]]
    serves: ClassVar[tuple[str, ...]] = ("single",)
    Settings: ClassVar[type[ModelSettings]]

    #: Called by `fit`, during each epoch, with a `TrainingProgress`. `train` sets it before it calls `fit`.
    watch: Watch | None = None

    def __init__(
        self, settings: ModelSettings, row_shape: tuple[int, ...], target: Target | Sequence[str]
    ) -> None:
        self.settings: Any = settings
        self.row_shape = row_shape
        self.target = self.bound(target if isinstance(target, Target) else Single(target))

    @property
    def classes(self) -> list[str]:
        """What its outputs stand for, such as labels, sorted."""
        return self.target.classes

    def bound(self, target: Target) -> Target:
        """Return the target in the shape of the model's outputs; by default as it is."""
        return target

    @classmethod
    def reads(cls, spec: FeatureSpec) -> bool:
        """Return whether the model reads the rows of a spec."""
        return spec.is_of(cls.input)

    @classmethod
    def settings_for(cls, settings: Any, spec: FeatureSpec) -> Any:
        """Return parameters as they are for the rows of a view, see `ModelSettings.for_spec`.

        Raises
        ------
        ModelError
            A parameter does not fit the rows.
        """
        return settings.for_spec(spec)

    @classmethod
    def input_with(cls, settings: Mapping[str, Any]) -> str:
        """Return what it reads with these parameters, which need not be all: by default its `input`."""
        return cls.input

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
        """Train the model; the same rows, settings and seed give the same model on one machine.

        Parameters
        ----------
        train, valid : Rows
            `valid` may be empty for models without epochs.
        seed : int
            Seed of everything random.
        work : Path or None
            A folder where the model may keep a file or folder `CHECKPOINT`. If that exists, training resumes
            from it, and the result is the same as without the interruption.
        progress : callable or None
            Called after each epoch; after resuming, first with the epochs before the checkpoint.

        Returns
        -------
        list of dict
            The history, one entry per epoch; empty for models without epochs.

        Raises
        ------
        ModelError
            The model cannot be trained on these rows.
        """

    @abstractmethod
    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the outputs of rows (n, *row_shape): (n, *target.output_shape).

        They are probabilities: of one label a row, each row adds up to 1; of several, each is by itself. Of
        numbers, they are the numbers.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the trained model into files of `folder`; no code, and no pickle."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read the files that `save` wrote.

        Raises
        ------
        ModelError
            The files do not exist, cannot be read, or are of another model.
        """

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of trained parameters, such as weights; 0 if that has no meaning for the model."""

    def layers(self) -> list[Layer]:
        """Return the parts of the model in the order of computation; the model need not be trained.

        The default is an empty list.
        """
        return []

    def training_memory(self) -> TrainingMemory | None:
        """Return the memory that training takes for each row of a batch; the model need not be trained.

        None, the default: the model is not trained in batches, or its memory is not known.
        """
        return None
