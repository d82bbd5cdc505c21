"""TargetContract: the tests that a model must pass for each target that it serves besides one label a row."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.table import RowTargets
from audiospec.specs.base import FeatureSpec
from audiospec.testing.memory_view import MemoryView
from audiospec.testing.pickles import pickles_in
from audiospec.zoo.base import Model, Rows
from audiospec.zoo.targets.base import Target, target_from_dict, targets

#: What a row gains where it has a label; the noise has deviation 1.
_GAIN = 20.0


def target_rows(
    target: str, count: int, shape: tuple[int, ...], spec: FeatureSpec, seconds: float, seed: int = 0
) -> Rows:
    """Return rows in memory whose targets are plain to see in them.

    Each of three labels has its part of the columns or mel bins, which is louder where a row has the label:
    in all frames, or for the target ``"frames"`` from a quarter of the row to another. A row has any number
    of labels. A number from -1 to 1 makes all values of its row larger or smaller.

    Parameters
    ----------
    target : str
        A name in the registry of targets, but not ``"single"``.
    count : int
        Number of rows; each is its own track.
    shape : tuple of int
        Shape of a row.
    spec : FeatureSpec
    seconds : float
        Length of a row.
    seed : int
    """
    random = np.random.default_rng([seed, 5])
    names = ("one", "three", "two")
    parts = np.arange(shape[0]) * len(names) // shape[0]
    values = random.normal(0, 1, (count, *shape))
    labelling = Labelling(target=target, background="keep", column="x" if target == "number" else "label")
    annotations: list[list[Annotation]] = [[] for _ in range(count)]
    found: list[tuple[int, int, float]] = []
    for row in range(count):
        if target == "number":
            number = float(random.uniform(-1, 1))
            values[row] += _GAIN * number
            annotations[row].append(Annotation(value=number, column="x"))
            found.append((row, 0, number))
            continue
        for label in np.flatnonzero(random.random(len(names)) < 0.5).tolist():
            first, last = (
                sorted(random.choice(5, 2, replace=False).tolist()) if target == "frames" else (0, 4)
            )
            place = np.zeros(shape, bool)
            place[parts == label] = True
            if target == "frames":
                place[:, : shape[1] * first // 4] = place[:, shape[1] * last // 4 :] = False
            values[row][place] += _GAIN
            annotations[row].append(
                Annotation(start=first * seconds / 4, end=last * seconds / 4, label=names[label])
            )
            found.append((row, label, np.nan))
    rows, labels, numbers = (np.array(column) for column in zip(*found, strict=True))
    table = RowTargets(
        rows.astype(np.int64),
        labels.astype(np.int32),
        np.ones(len(found)),
        numbers.astype(np.float64),
        ("x",) if target == "number" else names,
    )
    view = MemoryView(
        values.astype(np.float32),
        [""] * count,
        spec,
        seconds,
        labelling=labelling,
        targets=table,
        annotations=annotations,
    )
    chosen = np.arange(count)
    return Rows(view, chosen, targets[target].of_rows(view, chosen))


class TargetContract:
    """Tests that a model passes for each target that it serves; a part of `ModelContract`.

    Attributes
    ----------
    target_learning : mapping
        Further parameters with which it learns an easy task of any of these targets.
    """

    target_learning: ClassVar[Mapping[str, Any]] = {}
    close: ClassVar[float]

    @abstractmethod
    def all_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes to train on."""

    @abstractmethod
    def spec_of(self, shape: tuple[int, ...]) -> tuple[FeatureSpec, float]:
        """Return a spec that has rows of a shape, and the seconds of its chunks."""

    @abstractmethod
    def make(self, shape: tuple[int, ...], target: Target | Sequence[str], **settings: Any) -> Model:
        """Return an untrained model."""

    @abstractmethod
    def fitted(self, train: Rows, seed: int = 0, **settings: Any) -> Model:
        """Return a model trained on these rows and validated on a few of them."""

    def target_task(self, target: str, count: int = 48, seed: int = 0) -> Rows:
        """Return rows of the last of `all_shapes` whose targets are plain to see."""
        shape = self.all_shapes()[-1]
        return target_rows(target, count, shape, *self.spec_of(shape), seed=seed)

    def test_learns_an_easy_task_of_each_target(self, target: str) -> None:
        """Nearly all labels of unseen rows are right; most of the variance of numbers is explained."""
        model = self.fitted(self.target_task(target), **self.target_learning)
        unseen = self.target_task(target, seed=1)
        truth = model.target.encode(unseen.view, unseen.numbers)
        assert len(np.unique(truth)) > 1
        outputs = self.target_outputs(model, unseen.read())
        if model.target.has_probabilities:
            assert ((outputs > 0.5) == truth).mean() > 0.85
        else:
            assert np.square(outputs[:, 0] - truth).mean() < 0.5 * truth.var()

    def test_outputs_and_files_of_each_target(self, target: str, tmp_path: Path) -> None:
        """A model loaded with the target that a run keeps gives the same outputs to the bit."""
        train, unseen = self.target_task(target, 12), self.target_task(target, 6, seed=1).read()
        model = self.fitted(train)
        outputs = self.target_outputs(model, unseen)
        assert self.target_outputs(model, unseen[:0]).shape[1:] == outputs.shape[1:]
        alone = np.concatenate([model.predict_proba(row[None]) for row in unseen])
        assert np.allclose(alone, outputs, rtol=0, atol=self.close)
        model.save(tmp_path)
        stated = json.loads(json.dumps(model.target.to_dict(), allow_nan=False))
        loaded = self.make(model.row_shape, target_from_dict(stated, model.classes))
        loaded.load(tmp_path)
        assert np.array_equal(loaded.predict_proba(unseen), outputs)
        assert pickles_in(tmp_path) == []

    def target_outputs(self, model: Model, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return a model's outputs of rows, after checking that they are valid ones of its target."""
        outputs = model.predict_proba(rows)
        assert outputs.shape == (len(rows), *model.target.output_shape)
        assert outputs.dtype == np.float64
        assert np.isfinite(outputs).all()
        if model.target.has_probabilities:
            assert ((outputs >= 0) & (outputs <= 1)).all()
        return outputs
