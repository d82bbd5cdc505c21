"""Configurations: runs that differ only in seed, or in the split that they were trained and tested on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from audiospec.digests import digest
from audiospec.zoo.runs.info import configuration_of as configuration_of_info
from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits.leaks import Leaks, nouns
from audiospec.zoo.splits.split import displayed

#: The displayed strategy of all folds of a dataset together.
FOLDS = "fold-K"


def configuration_of(run: Run) -> str:
    """Return a digest of a run without split strategy and seed: equal for the runs of one configuration."""
    return digest(configuration_of_info(run.info))


def strategy_of(run: Run) -> str:
    """Return a run's split strategy without what leaks; all folds of a dataset have one name."""
    strategy: str = run.info.split["strategy"]
    return FOLDS if strategy.startswith("fold-") else strategy


def group_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs by configuration and split strategy.

    Returns
    -------
    list of list of Run
        In the order of the first run of each; the runs of each sorted by fold, seed and path.
    """
    groups: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[configuration_of(run), strategy_of(run)].append(run)
    return [sorted(group, key=_order) for group in groups.values()]


def _order(run: Run) -> tuple[str, int, str]:
    return run.info.split["strategy"], run.info.seed, str(run.path)


def is_leaky(run: Run) -> bool:
    """Return whether a test row of a run shares a recording or a group with what it learnt from."""
    return bool(run.info.split["leaky"])


def shown_strategy(runs: Sequence[Run]) -> str:
    """Return the split strategy of the runs of a configuration as it is displayed, with all that leaks."""
    strategy = strategy_of(runs[0])
    leaks = [run.info.split["leaks"] for run in runs if "leaks" in run.info.split]
    kinds = {kind: 1 for one in leaks for kind in one["kinds"]}
    words = Leaks(1, 1, kinds, nouns=nouns(runs[0].info.dataset)).words
    if words or not any(map(is_leaky, runs)):
        return displayed(strategy, words)
    return f"{strategy} (leaky)"


def names_of(configurations: Sequence[Sequence[Run]]) -> list[str]:
    """Return a name for each configuration: the model, and as much more as makes the names differ.

    Parameters
    ----------
    configurations : sequence of sequences of Run
    """
    firsts = [runs[0] for runs in configurations]
    names = [run.info.model for run in firsts]
    varying = [
        varying_settings([one for one in firsts if one.info.model == run.info.model]) for run in firsts
    ]
    settings = [
        ", ".join(f"{key} {value}" for key, value in run.info.settings.items() if key in keys)
        for run, keys in zip(firsts, varying, strict=True)
    ]
    for more in (
        settings,
        [run.info.view for run in firsts],
        [shown_strategy(runs) for runs in configurations],
        [str(run.path) for run in firsts],
    ):
        by_name: defaultdict[str, set[str]] = defaultdict(set)
        for name, text in zip(names, more, strict=True):
            by_name[name].add(text)
        names = [
            f"{name} ({text})" if len(by_name[name]) > 1 and text else name
            for name, text in zip(names, more, strict=True)
        ]
    return names


def varying_settings(runs: Sequence[Run]) -> set[str]:
    """Return the parameters whose values differ between runs of one model."""
    seen: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.info.settings.items():
            seen.setdefault(name, set()).add(str(value))
    return {name for name, values in seen.items() if len(values) > 1}
