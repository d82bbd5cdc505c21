"""Target: what a model predicts of a row; the registry of targets.

A target is a class under ``@targets.register``, in a file of `audiospec.zoo.targets`. A store says which one
its rows have (`Labelling.target`). Models, the training loop, evaluation and reports know a target only by
this interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.registry import Registry
from audiospec.zoo.scores.base import main_key
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.scores.measuring.units import ScoredItems

if TYPE_CHECKING:
    from torch import Tensor

    from audiospec.stores.layout.view import View
    from audiospec.zoo.splits.of_view import ViewStrata

targets: Registry[type[Target]] = Registry("target", "audiospec.zoo.targets", "audiospec.targets")


class TargetRows(Protocol):
    """Rows of a view with their targets; see `audiospec.zoo.base.Rows`."""

    @property
    def view(self) -> View:
        """The view."""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Row numbers."""

    @property
    def target(self) -> Target:
        """What is to be predicted of them."""

    @property
    def targets(self) -> NDArray[Any]:
        """What `Target.encode` returns for them."""

    @property
    def tracks(self) -> NDArray[np.str_]:
        """Track id of each row."""

    @property
    def units(self) -> NDArray[np.str_]:
        """Unit of each row."""


class Target(ABC):
    """What a model predicts of a row.

    Parameters
    ----------
    classes : sequence of str
        What the outputs of a model stand for: labels, sorted, or the name of a number's column.

    Attributes
    ----------
    name : str
        Name in the registry of targets.
    loss : str
        Name, in the registry of losses, of the loss that networks minimise by default.
    output_prefix : str
        Prefix of the columns of outputs in ``predictions.csv``.
    epoch_columns : tuple of str
        The scores of an epoch, besides its loss.
    epoch_score : str
        The one that is displayed beside the losses.
    picture : str
        File of the picture of the test rows in a run's folder.
    least_classes : int
        Fewest classes that can be learnt.
    has_probabilities : bool
        Whether outputs are probabilities.
    """

    name: ClassVar[str]
    loss: ClassVar[str]
    output_prefix: ClassVar[str] = "p:"
    epoch_columns: ClassVar[tuple[str, ...]]
    epoch_score: ClassVar[str]
    picture: ClassVar[str]
    least_classes: ClassVar[int] = 1
    has_probabilities: ClassVar[bool] = True

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self.classes[:5])}{', …' * (len(self.classes) > 5)}>"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of a model's output for one row."""
        return (len(self.classes),)

    @property
    def of_row(self) -> Target:
        """The target of whole rows, by which predictions are kept row by row; mostly this target itself."""
        return self

    # --- rows ----------------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def of_rows(
        cls, view: View, numbers: NDArray[np.int64], classes: Sequence[str] | None = None, column: str = ""
    ) -> Self:
        """Return the target of some training rows.

        Parameters
        ----------
        view : View
        numbers : ndarray of int64
            Row numbers.
        classes : sequence of str or None
            Labels to learn. None: all that the rows have.
        column : str
            A free column of the tracks that one label a row is from; ``""``: the store's targets.

        Raises
        ------
        ModelError
            The rows cannot be learnt from.
        """

    @abstractmethod
    def usable(self, view: View) -> NDArray[np.bool_]:
        """Return whether each row of a view has a target that can be learnt or scored: (rows,)."""

    @abstractmethod
    def encode(self, view: View, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets of some rows, which are `usable`: (n,) or (n, ...)."""

    @abstractmethod
    def texts(self, encoded: NDArray[Any]) -> list[str]:
        """Return the targets of rows as text, as ``predictions.csv`` has them in its column ``truth``."""

    @abstractmethod
    def parse(self, texts: Sequence[str]) -> NDArray[Any]:
        """Return what `texts` wrote.

        Raises
        ------
        ValueError
            A text is none of this target.
        """

    # --- networks ------------------------------------------------------------------------------------

    @abstractmethod
    def dense(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Return what outputs are trained towards: (n, *output_shape)."""

    def undo(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return outputs in the units of the dataset, from those trained towards `dense`."""
        return outputs

    @abstractmethod
    def class_weights(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """Return a weight for each class in the loss, so that rare ones count as much: (classes,).

        Raises
        ------
        ModelError
            The target has no classes.
        """

    @abstractmethod
    def tally(self, logits: Tensor, dense: Tensor) -> Tensor:
        """Return counts of a batch, whose sums over an epoch give its scores: one-dimensional.

        Rows that are all NaN in `dense`, or all zero where a row has one class, do not count.
        """

    @abstractmethod
    def epoch_scores(self, tally: NDArray[np.float64]) -> dict[str, float]:
        """Return the scores of an epoch from its counts, by `epoch_columns`."""

    # --- scoring -------------------------------------------------------------------------------------

    def tuned(self, outputs: NDArray[np.float64], rows: TargetRows) -> Target:
        """Return the target with what is chosen on validation rows, such as thresholds."""
        return self

    @abstractmethod
    def score(self, outputs: NDArray[np.float64], rows: TargetRows, seed: int = 0) -> Evaluation:
        """Score outputs by row and by track; `seed` is of the intervals."""

    def score_parts(
        self,
        parts: Sequence[tuple[NDArray[np.float64], TargetRows]],
        rows: TargetRows,
        seed: int = 0,
    ) -> Evaluation:
        """Score the outputs of several models together, such as those of the folds of a cross-validation.

        Parameters
        ----------
        parts : sequence of (ndarray, TargetRows)
            The outputs of each model, and its rows, whose target has what was chosen for that model.
        rows : TargetRows
            The rows of all parts, in their order.
        seed : int
            Of the intervals.
        """
        return self.score(np.concatenate([outputs for outputs, _ in parts]), rows, seed)

    @abstractmethod
    def items(
        self, outputs: NDArray[np.float64], truth: NDArray[Any], grouping: Grouping
    ) -> tuple[ScoredItems, ScoredItems]:
        """Return rows to score, and the tracks that they are of; the arrays are those of predictions."""

    def main_score(self, outputs: NDArray[np.float64], rows: TargetRows) -> float:
        """Return the score that models are chosen by, by track; higher is better."""
        key = main_key(self.name)
        value = self.score(outputs, rows).track.scores.get(key)
        if value is None:
            raise ModelError(f"the rows have no {key}: it is not defined for them", "add some rows")
        return value.value

    def reduce(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the outputs of whole rows, those of `of_row`: (n, classes)."""
        return outputs

    @abstractmethod
    def decode(self, outputs: NDArray[np.float64]) -> list[str]:
        """Return what a model predicts, as text: a label, labels joined by ``;``, or a number."""

    # --- runs ----------------------------------------------------------------------------------------

    def parameters(self) -> dict[str, Any]:
        """Return what makes this target besides its classes, as plain JSON values."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the target without its classes as plain JSON values, as ``run.json`` has it."""
        return {"name": self.name, **self.parameters()}


def target_from_dict(values: Mapping[str, Any], classes: Sequence[str]) -> Target:
    """Return the target that `Target.to_dict` described.

    Raises
    ------
    RegistryError
        No target has this name.
    ValueError, TypeError
        It did not describe one.
    """
    parameters = dict(values)
    return targets[parameters.pop("name")](classes, **parameters)


def target_of(view: View, numbers: NDArray[np.int64], strata: ViewStrata) -> Target:
    """Return the target of some training rows.

    Parameters
    ----------
    view : View
    numbers : ndarray of int64
        Row numbers.
    strata : ViewStrata
        Of the split: it says which target, which labels, and from which column.

    Raises
    ------
    ModelError
        The rows have too few classes, or cannot be learnt from.
    """
    target = targets[strata.target].of_rows(view, numbers, strata.names or None, strata.column)
    if len(target.classes) < target.least_classes:
        raise ModelError(
            f"expected training rows of at least {target.least_classes} classes; got "
            f"{', '.join(target.classes) or 'none'}",
            "add tracks of other classes, or choose other `classes`",
        )
    return target
