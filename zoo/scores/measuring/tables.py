"""The result of scoring: a table of scores by chunk and one by track, of any target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class ScoreValue(NamedTuple):
    """The value of a score, and its 95 % interval over units; see `Score.interval`."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ScoreTable:
    """Scores of the predictions of some chunks or tracks.

    Each score is also an attribute: ``table.macro_f1`` and ``table.macro_f1_interval``.

    Attributes
    ----------
    count : int
        Number of chunks or tracks.
    scores : dict
        Key → `ScoreValue`, for every registered score of the target that is defined: areas under curves need
        two classes.
    per_class : dict
        Class → precision, recall, f1 (0 where undefined), support (number of chunks or tracks that have it,
        or of true events). Of one class a chunk also roc_auc and pr_auc, of several labels threshold, roc_auc
        and ap; areas are left out for a class that no item has, or all have. Empty for numbers.
    confusion : list of list of int
        Rows are true classes, columns are predicted classes, in the order of `per_class`. Empty for targets
        other than one class a chunk.
    """

    count: int
    scores: dict[str, ScoreValue]
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]]

    def __getattr__(self, name: str) -> Any:
        scores = self.__dict__.get("scores", {})  # missing while the table is unpickled
        key = name.removesuffix("_interval")
        if key not in scores:
            raise AttributeError(f"there is no score {key!r} (there are: {', '.join(scores) or 'none'})")
        return scores[key].value if key == name else scores[key].interval

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain JSON values, as a run stores it."""
        return {
            "count": self.count,
            **{key: score.value for key, score in self.scores.items()},
            **{f"{key}_interval": list(score.interval) for key, score in self.scores.items()},
            "per_class": {name: dict(values) for name, values in self.per_class.items()},
            "confusion": [list(row) for row in self.confusion],
        }


@dataclass(frozen=True)
class Evaluation:
    """Scores of chunks and of tracks.

    Attributes
    ----------
    chunk : ScoreTable
        Scores of the chunks' predictions.
    track : ScoreTable
        Scores of the tracks' predictions, from those of their chunks: by the mean log-probability of one
        class, the mean probability of several labels, the mean of numbers. Events are of whole tracks only.
    """

    chunk: ScoreTable
    track: ScoreTable

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain JSON values."""
        return {"chunk": self.chunk.to_dict(), "track": self.track.to_dict()}
