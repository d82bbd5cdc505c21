"""How well a forest predicts the labels of units that it was not trained on, and how well by chance.

The chance is that of permuted labels: units exchange the labels of their tracks, then everything is repeated,
including the division into folds. Tracks of one unit are alike, so labels that were permuted among tracks
would be harder to predict than labels that follow the units, and every store would look guilty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """How well labels were predicted.

    Attributes
    ----------
    score : float
        One label a track: balanced accuracy, the mean recall of the labels. Several: the mean over the labels
        of the balanced accuracy of having it or not. A number: R², the explained share of the variance.
    by_label : ndarray of float64, shape (labels,)
        Recall minus false alarms of each label: 1 is always right, 0 is chance. NaN for one that no track
        has. Of a number: its R².
    strength : ndarray of float64, shape (labels,)
        How much larger a label's predicted share is in the tracks that have it, in standard errors: shares
        say more than the label with the largest one. Of a number: its R².
    """

    score: float
    by_label: Floats
    strength: Floats

    @property
    def evidence(self) -> float:
        """What permutations are compared by: the sum of the squares of all strengths above 0.

        One label of fifty that is predicted well is seen as well as all that are predicted a little; the mean
        over the labels would hide it.
        """
        return float((np.maximum(self.strength, 0) ** 2).sum())


@dataclass(frozen=True, eq=False)
class Tested:
    """The prediction of labels, and of permuted labels.

    Attributes
    ----------
    observed : Prediction
    permuted : tuple of Prediction
        Of permuted labels.
    """

    observed: Prediction
    permuted: tuple[Prediction, ...]

    @property
    def p(self) -> float:
        """Probability of such evidence by chance: (1 + permutations that reach it) / (1 + permutations)."""
        reached = sum(one.evidence >= self.observed.evidence for one in self.permuted)
        return (1 + reached) / (1 + len(self.permuted))

    @property
    def chance(self) -> tuple[float, float]:
        """The interval of 95 % of the permuted scores."""
        return _interval(np.array([one.score for one in self.permuted]))

    def chance_of(self, label: int) -> tuple[float, float]:
        """Return the interval of 95 % of what a label gets in permutations, as in `by_label`."""
        # A label may be missing in a permutation, as the tracks of other units may be fewer: not predicted.
        return _interval(np.nan_to_num([one.by_label[label] for one in self.permuted]))

    @cached_property
    def most_by_chance(self) -> Floats:
        """The largest strength that each label gets in a permutation: (labels,)."""
        most: Floats = np.array([one.strength for one in self.permuted]).max(0)
        return most

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Which labels are predicted more strongly than in every permutation: (labels,)."""
        stronger: NDArray[np.bool_] = self.observed.strength > self.most_by_chance
        return stronger


@dataclass(frozen=True)
class Forest:
    """A cross-validated forest of extremely randomised trees (Geurts et al. 2006).

    Attributes
    ----------
    exclusive : bool
        Whether each track has one label; False: any number of labels, or a number.
    is_number : bool
    folds : int
    seed : int
    trees : int
    """

    exclusive: bool
    is_number: bool
    folds: int
    seed: int
    trees: int = 16

    def predict(self, x: Floats, y: Floats, units: Numbers) -> Prediction:
        """Predict each track by trees that were grown on the units of other folds.

        Parameters
        ----------
        x : ndarray of float64, shape (tracks, columns)
        y : ndarray of float64, shape (tracks, labels)
            1 or 0, or the number of each track.
        units : ndarray of int64, shape (tracks,)
            Numbers of the units, from 0.
        """
        fold_of = self._folds(y, units)
        predicted = np.zeros_like(y)
        columns = np.ascontiguousarray(x, np.float32)
        for fold in range(self.folds):
            tested = fold_of == fold
            if tested.any():
                grown = np.ascontiguousarray(y[~tested])
                values = self._grow_and_predict(columns[~tested], grown, columns[tested])
                # A rare label counts as much as a common one: its share relative to all tracks matters.
                prior = np.ones(y.shape[1]) if self.is_number else np.maximum(grown.mean(0), 1e-12)
                predicted[tested] = values / prior
        return self._scored(predicted, y)

    def _grow_and_predict(self, x: NDArray[np.float32], y: Floats, tested: NDArray[np.float32]) -> Floats:
        """Return the mean of the trees' leaves, (tracks, labels).

        Trees that check no input take a third of the time that a forest of scikit-learn takes, which matters
        for some hundred forests.
        """
        from sklearn.tree import ExtraTreeRegressor

        total = np.zeros((len(tested), y.shape[1]))
        random = np.random.RandomState(self.seed % 2**32)
        for _ in range(self.trees):
            # Regression on indicators divides by Gini's impurity, and its leaves hold the shares of labels.
            tree = ExtraTreeRegressor(
                max_depth=8, min_samples_leaf=2, max_features="sqrt", random_state=random
            )
            tree.fit(x, y, check_input=False)
            total += tree.predict(tested, check_input=False).reshape(-1, y.shape[1])
        means: Floats = total / self.trees
        return means

    def test(
        self,
        x: Floats,
        y: Floats,
        units: Numbers,
        permutations: int,
        alarm: float = 1.0,
        step: Callable[[int], None] = lambda done: None,
    ) -> Tested | None:
        """Predict the labels, and permuted ones, until it is certain that the p-value is above `alarm`.

        A store without confounds takes a few permutations, and the decision is that of all of them.

        Parameters
        ----------
        x, y, units
            As for `predict`.
        permutations : int
        alarm : float
            Largest p-value of interest.
        step : callable
            Called with the number of permutations so far.

        Returns
        -------
        Tested or None
            None: the p-value of all permutations would be above `alarm`.
        """
        random = np.random.default_rng([self.seed, 1])
        observed = self.predict(x, y, units)
        made: list[Prediction] = []
        reached = 0
        for number in range(permutations):
            made.append(self.predict(x, y[permuted_tracks(units, random)], units))
            step(number + 1)
            reached += made[-1].evidence >= observed.evidence
            if (1 + reached) / (1 + permutations) > alarm:
                step(permutations)
                return None
        return Tested(observed, tuple(made))

    def _folds(self, y: Floats, units: Numbers) -> Numbers:
        """Return the fold of each track: units in the order of label and size are dealt in turn.

        `stratified_folds` takes 0.5 s for 2000 units, which a permutation test makes a hundred times.
        """
        count = int(units.max()) + 1
        sizes = np.bincount(units, minlength=count)
        if self.is_number:
            key = np.bincount(units, y[:, 0], count) / sizes
        else:
            amounts = np.zeros((count, y.shape[1]))
            np.add.at(amounts, units, y)
            rarity = np.where(amounts > 0, amounts.sum(0), np.inf)
            key = np.where(amounts.any(1), rarity.argmin(1), -1).astype(np.float64)
        ties = np.random.default_rng([self.seed, 2]).permutation(count)
        order = np.lexsort((ties, -sizes, key))
        fold_of_unit = np.empty(count, np.int64)
        fold_of_unit[order] = np.arange(count) % self.folds
        return fold_of_unit[units]

    def _scored(self, predicted: Floats, y: Floats) -> Prediction:
        if self.is_number:
            residual, total = ((y - predicted) ** 2).sum(), ((y - y.mean()) ** 2).sum()
            explained = float(1 - residual / total) if total else 0.0
            return Prediction(explained, np.array([explained]), np.array([explained]))
        chosen = np.eye(y.shape[1])[predicted.argmax(1)] > 0 if self.exclusive else predicted > 1
        have, lack = y.sum(0), (1 - y).sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = (chosen * y).sum(0) / have
            alarms = (chosen * (1 - y)).sum(0) / lack
        each = recall if self.exclusive else (1 + recall - alarms) / 2
        known = np.isfinite(each)
        score = float(each[known].mean()) if known.any() else 0.0
        # Means of the predicted shares of tracks that have the label, and of the others.
        ours = (predicted * y).sum(0) / np.maximum(have, 1)
        theirs = (predicted * (1 - y)).sum(0) / np.maximum(lack, 1)
        error = predicted.std(0) * np.sqrt(1 / np.maximum(have, 1) + 1 / np.maximum(lack, 1))
        known = (have > 0) & (lack > 0) & (error > 0)
        strength = np.where(known, (ours - theirs) / np.where(known, error, 1), 0.0)
        return Prediction(score, recall - alarms, strength)


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return low, high


def permuted_tracks(units: Numbers, random: np.random.Generator) -> Numbers:
    """Return, for each track, the track whose labels it gets.

    Each unit gets the labels of another unit, or its own, in random order: of a larger unit, some of them; of
    a smaller one, some twice. Where all tracks of a unit have one label, this permutes the labels of units.

    Parameters
    ----------
    units : ndarray of int64, shape (tracks,)
        Numbers of the units, from 0.
    random : Generator
    """
    sizes = np.bincount(units)
    starts = np.cumsum(sizes) - sizes
    giver = random.permutation(len(sizes))
    shuffled = random.permutation(len(units))
    by_unit = shuffled[np.argsort(units[shuffled], kind="stable")]
    place = np.arange(len(units)) - np.repeat(starts, sizes)
    source = np.repeat(giver, sizes)
    given = np.empty(len(units), np.int64)
    # The receivers are shuffled among themselves, too, as they are taken from `by_unit`.
    taken = random.permutation(len(units))
    givers = taken[np.argsort(units[taken], kind="stable")]
    given[by_unit] = givers[starts[source] + place % sizes[source]]
    return given
