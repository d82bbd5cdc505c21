"""The models of scikit-learn as modules: what they learnt as tensors, and how they predict, in float64.

The exporters of ONNX for scikit-learn compute in float32, and a support vector machine's probabilities as
libsvm does; those of a run come from its margins in another way, so they would not be the run's. Estimators
without a module here are in `converted`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.zoo.export.coupling import couple, keep_winners, vote


class Scaled(nn.Module):
    """A pipeline of scaling and an estimator: rows (B, columns) float32 → outputs of the estimator, float64.

    Parameters
    ----------
    scaler : sklearn.preprocessing.StandardScaler
    estimator : Module
        Reads scaled columns in float64.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, scaler: Any, estimator: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(np.array(scaler.mean_, np.float64)))
        self.register_buffer("scale", torch.from_numpy(np.array(scaler.scale_, np.float64)))
        self.estimator = estimator

    def forward(self, rows: Tensor) -> Tensor:
        """Return the outputs of rows (B, columns)."""
        outputs: Tensor = self.estimator((rows.double() - self.mean) / self.scale)
        return outputs


class Linear(nn.Module):
    """Logistic regression, or a linear one: probabilities (B, classes), or numbers (B, 1).

    Parameters
    ----------
    estimator : LogisticRegression or Ridge
    """

    weights: Tensor
    intercepts: Tensor

    def __init__(self, estimator: Any, *, is_regressor: bool) -> None:
        super().__init__()
        self.is_regressor = is_regressor
        weights = np.atleast_2d(np.asarray(estimator.coef_, np.float64))
        self.register_buffer("weights", torch.from_numpy(weights.T.copy()))
        self.register_buffer("intercepts", _tensor(np.atleast_1d(estimator.intercept_)))

    def forward(self, columns: Tensor) -> Tensor:
        """Return the outputs of scaled columns."""
        values = columns @ self.weights + self.intercepts
        if self.is_regressor:
            return values
        if values.shape[1] == 1:  # of two classes there is one value
            second = torch.sigmoid(values)
            return torch.cat([1 - second, second], dim=1)
        return values.softmax(1)


class Machine(nn.Module):
    """A support vector machine with a radial kernel: probabilities (B, classes), or numbers (B, 1).

    Parameters
    ----------
    estimator : SVC or SVR
    classes : int
        0 for numbers.
    """

    vectors: Tensor
    norms: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(self, estimator: Any, classes: int) -> None:
        super().__init__()
        vectors = np.array(estimator.support_vectors_, np.float64)
        self.register_buffer("vectors", torch.from_numpy(vectors.T.copy()))
        self.register_buffer("norms", torch.from_numpy((vectors**2).sum(1)))
        self.register_buffer("coefficients", _tensor(estimator._dual_coef_))
        self.register_buffer("intercepts", _tensor(estimator._intercept_))
        self.gamma = float(estimator._gamma)
        self.classes = classes
        self.counts: list[int] = np.asarray(estimator._n_support).tolist()
        self.slope = float(estimator.slope_) if classes else 0.0

    def forward(self, columns: Tensor) -> Tensor:
        """Return the outputs of scaled columns."""
        distances = columns.square().sum(1, keepdim=True) + self.norms - 2 * (columns @ self.vectors)
        kernel = (-self.gamma * distances.clamp(min=0)).exp()
        if not self.classes:
            return kernel @ self.coefficients.T + self.intercepts
        # libsvm's layout: of a vector of class c, row r is for the pair with class r, or r + 1 from c on.
        sums = [
            part @ weights.T
            for part, weights in zip(
                torch.split(kernel, self.counts, 1),
                torch.split(self.coefficients, self.counts, 1),
                strict=True,
            )
        ]
        by_class = torch.stack(sums, dim=1)
        first, second = map(torch.from_numpy, np.triu_indices(self.classes, 1))
        margins = by_class[:, first, second - 1] + by_class[:, second, first] + self.intercepts
        return keep_winners(couple(margins, self.slope, self.classes), vote(margins, self.classes))


class Neighbours(nn.Module):
    """Votes of nearest neighbours: probabilities (B, classes), or numbers (B, 1).

    Parameters
    ----------
    estimator : KNeighborsClassifier or KNeighborsRegressor
    classes : int
        0 for numbers.
    """

    rows: Tensor
    norms: Tensor
    votes: Tensor

    def __init__(self, estimator: Any, classes: int) -> None:
        super().__init__()
        rows = np.array(estimator._fit_X, np.float64)
        self.register_buffer("rows", torch.from_numpy(rows.T.copy()))
        self.register_buffer("norms", torch.from_numpy((rows**2).sum(1)))
        votes = np.eye(classes)[estimator._y] if classes else np.asarray(estimator._y, np.float64)[:, None]
        self.register_buffer("votes", torch.from_numpy(votes))
        self.count, self.by_distance = int(estimator.n_neighbors), estimator.weights == "distance"

    def forward(self, columns: Tensor) -> Tensor:
        """Return the outputs of scaled columns."""
        squares = columns.square().sum(1, keepdim=True) + self.norms - 2 * (columns @ self.rows)
        nearest, places = squares.clamp(min=0).topk(self.count, dim=1, largest=False)
        votes = self.votes[places]
        if not self.by_distance:
            return votes.mean(1)
        distance = nearest.sqrt()
        same = distance == 0  # a row that was learnt has all the weight
        weights = torch.where(same.any(1, keepdim=True), same.double(), 1 / distance)
        return (weights[:, :, None] * votes).sum(1) / weights.sum(1, keepdim=True)


class Forest(nn.Module):
    """A random forest: probabilities (B, classes), or numbers (B, 1).

    All trees go down one level at a time; a leaf leads to itself.

    Parameters
    ----------
    estimator : RandomForestClassifier or RandomForestRegressor
    """

    columns: Tensor
    thresholds: Tensor
    branches: Tensor
    values: Tensor
    roots: Tensor

    def __init__(self, estimator: Any, *, is_regressor: bool) -> None:
        super().__init__()
        trees = [one.tree_ for one in estimator.estimators_]
        roots = np.cumsum([0, *(len(tree.children_left) for tree in trees)])[:-1]
        branches, columns = [], []
        for root, tree in zip(roots, trees, strict=True):
            node = np.arange(len(tree.children_left))
            leaf = tree.children_left == -1
            pairs = np.stack([tree.children_left, tree.children_right], axis=1)
            branches.append(np.where(leaf[:, None], node[:, None], pairs) + root)
            columns.append(np.where(leaf, 0, tree.feature))
        values = np.concatenate([tree.value[:, 0] for tree in trees]).astype(np.float64)
        if not is_regressor:
            values = values / values.sum(1, keepdims=True)
        self.register_buffer("columns", torch.from_numpy(np.concatenate(columns).astype(np.int64)))
        self.register_buffer("thresholds", _tensor(np.concatenate([tree.threshold for tree in trees])))
        self.register_buffer("branches", torch.from_numpy(np.concatenate(branches).astype(np.int64)))
        self.register_buffer("values", torch.from_numpy(values))
        self.register_buffer("roots", torch.from_numpy(roots.astype(np.int64)))
        self.depth = max(int(tree.max_depth) for tree in trees)

    def forward(self, columns: Tensor) -> Tensor:
        """Return the outputs of scaled columns."""
        columns = columns.float().double()  # scikit-learn's trees compare float32
        node = self.roots.expand(columns.shape[0], -1)
        left, right = self.branches.unbind(1)
        for _ in range(self.depth):
            value = columns.gather(1, self.columns[node])
            node = torch.where(value <= self.thresholds[node], left[node], right[node])
        return self.values[node].mean(1)


class OneByOne(nn.Module):
    """The models of several labels: probabilities (B, labels).

    Parameters
    ----------
    parts : list of (Module or None)
        The model of rows without and with each label; None for a label that all rows have.
    """

    def __init__(self, parts: list[nn.Module | None]) -> None:
        super().__init__()
        self.places = [None if part is None else str(place) for place, part in enumerate(parts)]
        self.parts = nn.ModuleDict({str(n): part for n, part in enumerate(parts) if part is not None})

    def forward(self, rows: Tensor) -> Tensor:
        """Return the probability of each label."""
        ones = torch.ones_like(rows[:, 0], dtype=torch.float64)
        columns = [ones if place is None else self.parts[place](rows)[:, 1] for place in self.places]
        return torch.stack(columns, dim=1)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(values, np.float64))
