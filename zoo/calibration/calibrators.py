"""Calibrators: functions from probabilities to calibrated ones, fitted on rows that the model did not learn.

    temperature  one number: all logarithms are divided by it (Guo et al. 2017)
    sigmoid      for each class a logistic function of its log-odds (Platt 1999), then shares of their sum
    isotonic     for each class a function that never falls, then shares of the sum (Zadrozny and Elkan 2002)

None changes the most probable class of a row. They are stored as names and numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.calibration.winners import keep_winners
from audiospec.zoo.scores.measuring.chunks import LEAST_PROBABILITY

#: Temperatures that are looked at.
TEMPERATURES = (0.05, 20.0)


class Calibrator(ABC):
    """A function from probabilities (n, classes) to calibrated ones."""

    method: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(cls, probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> Calibrator:
        """Fit the function to the probabilities (n, classes) of rows and their true classes (n,)."""

    @abstractmethod
    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return calibrated probabilities (n, classes); each row adds up to 1, and has the same largest."""

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Return what was fitted, as plain JSON values."""

    @classmethod
    @abstractmethod
    def of(cls, parameters: Mapping[str, Any], classes: int) -> Calibrator:
        """Return the calibrator with these parameters; `ValueError` or `TypeError` if it has no such ones."""

    def to_dict(self) -> dict[str, Any]:
        """Return the method and its parameters as plain JSON values."""
        return {"method": self.method, **self.parameters()}


class Temperature(Calibrator):
    """Divides all logarithms of probabilities by a number.

    Parameters
    ----------
    temperature : float
        Above 1, probabilities are closer to each other than the model's.
    """

    method = "temperature"

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    @classmethod
    def fit(cls, probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> Temperature:
        """Return the temperature of the least log-loss.

        As in Platt's method, a row counts a little as one of the other classes; so the temperature is not 0
        where all rows are right.
        """
        from scipy.optimize import minimize_scalar

        doubt = 1 / (len(targets) + 2)
        shares = np.full(probabilities.shape, doubt / (probabilities.shape[1] - 1))
        shares[np.arange(len(targets)), targets] = 1 - doubt

        def loss(log_temperature: float) -> float:
            values = cls(float(np.exp(log_temperature))).apply(probabilities)
            return -float((shares * np.log(np.maximum(values, np.finfo(float).tiny))).sum(1).mean())

        low, high = np.log(TEMPERATURES)
        return cls(float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x)))

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shares of p^(1 / temperature)."""
        values = np.log(np.maximum(probabilities, LEAST_PROBABILITY)) / self.temperature
        shares = np.exp(values - values.max(1, keepdims=True, initial=-np.inf))
        shares /= shares.sum(1, keepdims=True)
        return keep_winners(shares, probabilities.argmax(1))

    def parameters(self) -> dict[str, Any]:
        """Return the temperature."""
        return {"temperature": self.temperature}

    @classmethod
    def of(cls, parameters: Mapping[str, Any], classes: int) -> Temperature:
        """Return the calibrator with this temperature."""
        (temperature,) = _numbers([parameters["temperature"]], 1)
        if not temperature > 0:
            raise ValueError("temperature must be above 0")
        return cls(float(temperature))


class Sigmoid(Calibrator):
    """For each class a logistic function of its log-odds.

    Parameters
    ----------
    slopes, offsets : ndarray, shape (classes,)
    """

    method = "sigmoid"

    def __init__(self, slopes: NDArray[np.float64], offsets: NDArray[np.float64]) -> None:
        self.slopes, self.offsets = slopes, offsets

    @classmethod
    def fit(cls, probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> Sigmoid:
        """Return the functions of the least log-loss; a class that no row has keeps its log-odds."""
        from sklearn.linear_model import LogisticRegression

        odds = _log_odds(probabilities)
        slopes, offsets = np.ones(odds.shape[1]), np.zeros(odds.shape[1])
        for number, column in enumerate(odds.T):
            truth = targets == number
            right, wrong = int(truth.sum()), int((~truth).sum())
            if not right or not wrong:
                continue
            # Platt's targets are not 0 and 1: each row counts a little as one of the other side.
            doubt = np.where(truth, 1 / (right + 2), 1 / (wrong + 2))
            fitted = LogisticRegression(C=1e6).fit(
                np.concatenate([column, column])[:, None],
                np.concatenate([truth, ~truth]),
                np.concatenate([1 - doubt, doubt]),
            )
            slopes[number], offsets[number] = max(0.0, fitted.coef_[0, 0]), fitted.intercept_[0]
        return cls(slopes, offsets)

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shares of the functions' values."""
        from scipy.special import expit

        values = np.maximum(expit(self.slopes * _log_odds(probabilities) + self.offsets), LEAST_PROBABILITY)
        return keep_winners(values / values.sum(1, keepdims=True), probabilities.argmax(1))

    def parameters(self) -> dict[str, Any]:
        """Return the slopes and offsets."""
        return {"slopes": self.slopes.tolist(), "offsets": self.offsets.tolist()}

    @classmethod
    def of(cls, parameters: Mapping[str, Any], classes: int) -> Sigmoid:
        """Return the calibrator with these slopes and offsets."""
        return cls(_numbers(parameters["slopes"], classes), _numbers(parameters["offsets"], classes))


class Isotonic(Calibrator):
    """For each class a function that never falls, as straight lines between points.

    Parameters
    ----------
    points : list of (ndarray, ndarray)
        For each class the probabilities, ascending, and their calibrated values.
    """

    method = "isotonic"

    def __init__(self, points: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> None:
        self.points = list(points)

    @classmethod
    def fit(cls, probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> Isotonic:
        """Return the functions of the least squared error; a class that no row has keeps its probability."""
        from sklearn.isotonic import IsotonicRegression

        # A share of 0 or 1 would be certainty, which no number of rows gives.
        least = 1 / (len(targets) + 2)
        points = []
        for number, column in enumerate(probabilities.T):
            truth = targets == number
            if not truth.any() or truth.all():
                points.append((np.array([0.0, 1.0]), np.array([0.0, 1.0])))
                continue
            fitted = IsotonicRegression(y_min=least, y_max=1 - least).fit(column, truth)
            points.append((fitted.X_thresholds_.astype(np.float64), fitted.y_thresholds_.astype(np.float64)))
        return cls(points)

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shares of the functions' values."""
        pairs = zip(probabilities.T, self.points, strict=True)
        values = np.stack([np.interp(column, x, y) for column, (x, y) in pairs], axis=1)
        values = np.maximum(values, LEAST_PROBABILITY)
        return keep_winners(values / values.sum(1, keepdims=True), probabilities.argmax(1))

    def parameters(self) -> dict[str, Any]:
        """Return the points of each class."""
        return {"points": [[x.tolist(), y.tolist()] for x, y in self.points]}

    @classmethod
    def of(cls, parameters: Mapping[str, Any], classes: int) -> Isotonic:
        """Return the calibrator with these points."""
        points = []
        for x, y in parameters["points"]:
            place, value = _numbers(x, len(x)), _numbers(y, len(x))
            if not len(place) or (np.diff(place) <= 0).any() or (np.diff(value) < 0).any():
                raise ValueError("points must ascend")
            points.append((place, value))
        if len(points) != classes:
            raise ValueError(f"expected the points of {classes} classes")
        return cls(points)


_METHODS: dict[str, type[Calibrator]] = {cls.method: cls for cls in (Temperature, Sigmoid, Isotonic)}


def calibrator_from_dict(stated: Mapping[str, Any], classes: int) -> Calibrator:
    """Return the calibrator that `to_dict` described.

    Raises
    ------
    ValueError, TypeError, KeyError
        There is no such calibrator of so many classes.
    """
    return _METHODS[stated["method"]].of(stated, classes)


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log(values) - np.log1p(-values))


def _numbers(values: Any, count: int) -> NDArray[np.float64]:
    """Return `count` finite numbers as an array."""
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} finite numbers")
    return numbers
