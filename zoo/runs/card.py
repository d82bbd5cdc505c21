"""The model card of a run, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audiospec.zoo.scores.measuring.stored import stored_scores
from audiospec.zoo.splits import displayed_strategy

if TYPE_CHECKING:
    from audiospec.zoo.runs.info import RunInfo


def model_card(info: RunInfo, metrics: dict[str, Any]) -> str:
    """Say what a run is, what it was trained on, how right it is, and what that is worth.

    Parameters
    ----------
    info : RunInfo
    metrics : dict
        As `Run.metrics`.
    """
    split = info.split
    leaky = split["leaky"]
    tables = {level: metrics["test"][level] for level in ("chunk", "track")}
    scores = stored_scores(tables.values())
    lines = [
        f"# {info.model} on {_plain(info.view)}",
        "",
        f"Trained on {info.date} to tell {len(info.classes)} classes of dataset {_plain(info.dataset)} "
        f"apart: {', '.join(map(_plain, info.classes))}.",
        "",
        f"- parameters of the model: {_pairs(info.settings)}",
        f"- features: {_pairs(info.spec)}",
        f"- chunks: {_pairs(info.chunking)}",
        f"- split: {displayed_strategy(split['strategy'])}, seed {info.seed}; {_sides(split)}; "
        f"digest {split['digest'][:16]}",
        f"- training took {info.seconds:.1f} s",
        f"- versions: {_pairs(info.versions)}",
        "",
        f"## Scores on the test rows{' (leaky)' if leaky else ''}",
        "",
        f"| | count | {' | '.join(f'{_plain(score.title)} | 95 % interval' for score in scores.values())} |",
        f"| --- | --- |{' --- | --- |' * len(scores)}",
    ]
    for level, table in tables.items():
        cells = (f"{table[key]:.3f} | {_interval(table[f'{key}_interval'])}" for key in scores)
        lines.append(f"| by {level} | {table['count']} | {' | '.join(cells)} |")
    if leaky:
        lines += [
            "",
            "These scores are inflated: chunks of one track were on both sides, and a model can recognise a "
            "recording that it has learnt from. Split by track to learn what it is worth on music that is "
            "new to it.",
        ]
    else:
        lines += ["", "No track of the test rows was trained on. Intervals are bootstrap over tracks."]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Somebody's own text, so that Markdown does not read it as its own."""
    line = " ".join(text.split())
    return "".join(f"\\{char}" if char in r"\`*_{}[]<>()#+!|~&" else char for char in line)


def _pairs(values: dict[str, Any]) -> str:
    shown = {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in values.items()
    }
    return _plain("; ".join(f"{name} {value}" for name, value in shown.items())) or "none"


def _interval(values: list[float]) -> str:
    return f"{values[0]:.3f} to {values[1]:.3f}"


def _sides(split: dict[str, Any]) -> str:
    sides = (
        f"{side} {count['rows']} rows of {count['tracks']} tracks" for side, count in split["sides"].items()
    )
    return ", ".join(sides)
