"""What scoring gives: a table of scores by chunk and one by track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class ScoreValue(NamedTuple):
    """Value of a score, and its 95 % bootstrap interval over tracks."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ScoreTable:
    """How right the predictions of some chunks or tracks are.

    Each score is an attribute, too: ``table.macro_f1`` and ``table.macro_f1_interval``.

    Attributes
    ----------
    count : int
        Chunks, or tracks.
    scores : dict
        Key → `ScoreValue`, of every registered score.
    per_class : dict
        Class → precision, recall, f1 (0 where undefined) and support (how many there are).
    confusion : list of list of int
        Row: the true class; column: the predicted one; in the order of `per_class`.
    """

    count: int
    scores: dict[str, ScoreValue]
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]]

    def __getattr__(self, name: str) -> Any:
        scores = self.__dict__.get("scores", {})  # none before __init__, as when it is unpickled
        key = name.removesuffix("_interval")
        if key not in scores:
            raise AttributeError(f"there is no score {key!r} (there are: {', '.join(scores) or 'none'})")
        return scores[key].value if key == name else scores[key].interval

    def to_dict(self) -> dict[str, Any]:
        """The table as plain JSON values, as a run stores it."""
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
        Each chunk counts.
    track : ScoreTable
        Each track counts, by the mean log-probability of its chunks.
    """

    chunk: ScoreTable
    track: ScoreTable

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {"chunk": self.chunk.to_dict(), "track": self.track.to_dict()}
