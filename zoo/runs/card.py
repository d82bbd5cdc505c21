"""The model card of a run, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audiospec.zoo.runs.corrected import corrections_in_words
from audiospec.zoo.runs.info import split_name
from audiospec.zoo.scores.measuring.stored import MISSING, stored_scores
from audiospec.zoo.splits.leaks import nouns

if TYPE_CHECKING:
    from audiospec.zoo.runs.info import RunInfo
    from audiospec.zoo.scores.base import Score


def model_card(info: RunInfo, metrics: dict[str, Any]) -> str:
    """Return the model card: what was trained on what, its scores, and how far they can be trusted.

    Parameters
    ----------
    info : RunInfo
    metrics : dict
        Side → scores as plain JSON values, as in `Run.metrics`.
    """
    split = info.split
    leaky = split["leaky"]
    tables = {level: metrics["test"][level] for level in ("chunk", "track")}
    scores = stored_scores(tables.values())
    lines = [
        f"# {info.model} on {_plain(info.view)}",
        "",
        f"Trained on {info.date} {_task(info)}: {', '.join(map(_plain, info.classes))}.",
        "",
        f"- parameters of the model: {_pairs(info.settings)}",
        *_search(info.search),
        f"- features: {_pairs(info.spec)}",
        f"- chunks: {_pairs(info.chunking)}",
        f"- split: {_plain(split_name(split))}, seed {split['seed']}, because {_plain(split['reason'])}; "
        f"{_sides(split)}; digest {split['digest'][:16]}",
        *_folds(info),
        *([f"- labels: {_plain(corrections_in_words(info))}"] if info.corrections else []),
        *(
            [f"- trained on a share of {info.train_share:g} of the training rows"]
            if info.train_share != 1
            else []
        ),
        f"- seed of the training: {info.seed}",
        f"- probabilities: {_calibration(info.calibration)}",
        f"- training took {info.seconds:.1f} s",
        f"- versions: {_pairs(info.versions)}",
        "",
        f"## Scores on the test rows{' (leaky)' if leaky else ''}",
        "",
        f"| | count | {' | '.join(f'{_plain(score.title)} | 95 % interval' for score in scores.values())} |",
        f"| --- | --- |{' --- | --- |' * len(scores)}",
    ]
    for level, table in tables.items():
        cells = (
            f"{table[key]:.3f} | {_interval(table[f'{key}_interval'])}"
            if key in table
            else f"{MISSING} | {MISSING}"
            for key in scores
        )
        lines.append(f"| by {level} | {table['count']} | {' | '.join(cells)} |")
    lines += _spread(info, scores)
    lines += ["", _plain(_what_leaks(split["leaks"], info.dataset))]
    return "\n".join(lines) + "\n"


def _task(info: RunInfo) -> str:
    """Return what the model was trained to do."""
    dataset, count = _plain(info.dataset), len(info.classes)
    match info.target["name"]:
        case "single":
            return f"to classify dataset {dataset}. {count} classes"
        case "number":
            return f"to estimate a number of dataset {dataset}"
        case "frames":
            return f"to find events, and when they are, in dataset {dataset}. {count} labels"
    return f"to find labels in dataset {dataset}, any number in a row. {count} labels"


def _search(search: dict[str, Any]) -> list[str]:
    """Return lines on how parameters were chosen."""
    if not search:
        return []
    lines = [
        f"- searched, by {search['score']} by track on {search['inner_folds']} inner folds of the training "
        f"rows: {_pairs(search['grid'])}; chosen: {_plain(chosen_in_words(search['chosen']))}"
    ]
    for candidate in search["candidates"]:
        lines.append(f"  - {_pairs(candidate['settings'])}: {candidate['score']:.3f}")
    return lines


def chosen_in_words(chosen: dict[str, Any] | list[dict[str, Any]]) -> str:
    """Return the parameters that a search chose, or those that it chose in each fold, in words."""
    if isinstance(chosen, dict):
        return ", ".join(f"{name} {value}" for name, value in chosen.items())
    counts = Counter(map(chosen_in_words, chosen))
    return "; ".join(f"{words} in {count} of {len(chosen)} folds" for words, count in counts.items())


def _folds(info: RunInfo) -> list[str]:
    """Return lines on the folds of a cross-validation."""
    if not info.cross_validation:
        return []
    folds, repeats = info.cross_validation["folds"], info.cross_validation["repeats"]
    times = f" in each of {repeats} repeats" if repeats > 1 else ""
    return [
        f"- cross-validation: each of {folds} folds is tested once{times}, by a model of the others; the "
        "numbers of training and validation rows are means over the folds"
    ]


def _spread(info: RunInfo, scores: Mapping[str, Score]) -> list[str]:
    """Return a table of the scores of the folds of a cross-validation."""
    if not info.cross_validation:
        return []
    lines = [
        "",
        "## Scores by fold",
        "",
        "The deviation is that of the sample. The standard error allows for the training rows that the folds "
        "have in common (Nadeau and Bengio 2003).",
        "",
        "| | mean | deviation | standard error |",
        "| --- | --- | --- | --- |",
    ]
    for level, spread in info.cross_validation["spread"].items():
        for key, values in spread.items():
            cells = " | ".join(f"{values[name]:.3f}" for name in ("mean", "deviation", "error"))
            lines.append(f"| {_plain(scores[key].title)} by {level} | {cells} |")
    return lines


def _what_leaks(leaks: dict[str, Any], dataset: str) -> str:
    """Return what the model knew of the test rows before it was tested."""
    if not leaks["leaking"]:
        return (
            "The model learnt from no track of the test rows, nor from a copy, a near-duplicate or another "
            "track of the same group, as far as the dataset names them."
        )
    kinds = ", ".join(f"{count} by {nouns(dataset)[kind]}" for kind, count in leaks["kinds"].items())
    return (
        f"These scores may be inflated: the model learnt from {leaks['leaking']} of the {leaks['rows']} test "
        f"rows ({kinds}), and it can recognise what it was trained on. A stronger split measures how well it "
        "does on what is new to it."
    )


def _plain(text: str) -> str:
    """Return a user's text in one line, with Markdown's special characters escaped."""
    line = " ".join(text.split())
    return "".join(f"\\{char}" if char in r"\`*_{}[]<>()#+!|~&" else char for char in line)


def _pairs(values: dict[str, Any]) -> str:
    def joined(value: Any) -> Any:
        if isinstance(value, dict):
            return ", ".join(f"{name} {each}" for name, each in value.items())
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value

    return _plain("; ".join(f"{name} {joined(value)}" for name, value in values.items())) or "none"


def _calibration(calibration: dict[str, Any]) -> str:
    if not calibration:
        return "as the model gives them, not calibrated"
    temperature = f" {calibration['temperature']:.3f}" if "temperature" in calibration else ""
    return f"calibrated by method {calibration['method']}{temperature} on {calibration['source']} rows"


def _interval(values: list[float]) -> str:
    return f"{values[0]:.3f} to {values[1]:.3f}"


def _sides(split: dict[str, Any]) -> str:
    sides = (
        f"{side} {count['rows']} rows of {count['tracks']} tracks" for side, count in split["sides"].items()
    )
    return ", ".join(sides)
