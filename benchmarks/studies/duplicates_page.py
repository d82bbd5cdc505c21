"""The results of the study of duplicates as a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

#: Least recall of a kind, and least precision, that the study holds the search to.
RECALL = {"exact": 0.98, "re-encoded": 0.98, "trimmed": 0.9, "shifted": 0.9}
PRECISION = 0.99
#: Rows of what was missed, or found besides, that the page shows.
MOST = 20


def markdown(figures: dict[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : dict
        What ``duplicates.json`` has.
    """
    parts = [
        "# Duplicates",
        "`python -m benchmarks.studies.duplicates`: duplicates of eight kinds are planted in real audio and\n"
        "searched for in log-mel rows, all together, and each kind alone with the tracks. Tables are of\n"
        "kinds alone. Shares are in %, with 95 % intervals; those of precision are over tracks.",
    ]
    for setting in figures["settings"]:
        parts += [f"## {setting['title']}", _summary(setting), _kinds(setting)]
    parts += ["## By strength", _variants(figures["settings"])]
    parts += ["## Clips of GTZAN beside whole tracks", *_clips(figures["clips"])]
    return "\n\n".join(parts) + "\n"


def missed_goals(setting: dict[str, Any]) -> list[str]:
    """Return which goals of recall and precision a setting misses, in words; none are set for limits."""
    if setting["name"] == "limits":
        return []
    missed = [
        f"recall of {kind} {100 * row['recall']:.1f} %, expected {100 * RECALL[kind]:.0f} %"
        for kind, row in setting["alone"].items()
        if row["recall"] < RECALL.get(kind, 0)
    ]
    return missed + [
        f"precision {name} {100 * row['precision']:.1f} %, expected {100 * PRECISION:.0f} %"
        for name, row in {**setting["alone"], "of all": setting["together"]}.items()
        if row["pairs"] and row["precision"] < PRECISION
    ]


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = (titles, ["---"] * len(titles), *rows)
    return "\n".join("| " + " | ".join(map(str, line)).replace("  ", " ") + " |" for line in lines)


def _share(row: dict[str, Any], name: str) -> str:
    """Return a share in %, with its interval."""
    if row[name] is None:
        return "–"
    low, high = row[f"{name}_interval"]
    return f"{100 * row[name]:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _summary(setting: dict[str, Any]) -> str:
    together, low = setting["together"], setting["together"]["low"]
    lines = [
        f"{together['files']} files together: {together['planted']} duplicates of {together['sources']} "
        f"tracks, searched in {together['seconds']:.1f} s.",
        f"{together['found']} are found. Of {together['pairs']} pairs, {together['right']} are right: "
        f"precision {_share(together, 'precision')}.",
        f"With `least={low['least']:g}`, {low['found']} are found, and {low['right']} of {low['pairs']} "
        "pairs are right.",
    ]
    lines += [
        f"`{one}` and `{other}` share sound (correlation of samples {correlation:.2f}), which the dataset "
        "does not state."
        for one, other, correlation in setting["undeclared"]
    ]
    lags = [row["lags"] for row in setting["alone"].values() if row["lags"]]
    if lags:
        lines.append(
            f"The lags of trimmed and shifted duplicates are right to "
            f"{1000 * max(row['median'] for row in lags):.0f} ms in the median, "
            f"{1000 * max(row['largest'] for row in lags):.0f} ms at most."
        )
    if setting["name"] != "limits":
        missed = "; ".join(missed_goals(setting))
        lines.append(f"Not reached: {missed}." if missed else "Recall and precision are as expected.")
    return "\n".join(lines)


def _kinds(setting: dict[str, Any]) -> str:
    rows = []
    for kind, row in setting["alone"].items():
        weakest = "–" if row["weakest"] is None else f"{row['weakest']:.2f}"
        rows.append(
            (
                *(kind, row["planted"], row["found"], _share(row, "recall")),
                *(row["pairs"], _share(row, "precision"), weakest),
            )
        )
    return _table(("kind", "planted", "found", "recall", "pairs", "precision", "weakest similarity"), rows)


def _variants(settings: Sequence[dict[str, Any]]) -> str:
    """Return what was found of each strength; the strengths of the limits come last."""
    counts: dict[tuple[str, str], dict[str, str]] = {}
    for setting in settings:
        for row in setting["variants"]:
            cell = f"{row['found']} of {row['planted']}"
            counts.setdefault((row["kind"], row["strength"]), {})[setting["name"]] = cell
    names = [setting["name"] for setting in settings]
    rows = [(*key, *(cells.get(name, "") for name in names)) for key, cells in counts.items()]
    return _table(("kind", "strength", *names), rows)


def _clips(clips: dict[str, Any]) -> list[str]:
    """Return what was found of clips that are cut from tracks, the catalogue, and the other pairs."""
    text = (
        f"{clips['clips']} clips of 2–3 s and {clips['tracks']} whole tracks, chunks of 3 s. "
        f"{clips['same_id']} clips have the id of a whole track;\n"
        f"{clips['same_id_cut']} of them are cut from it, by the correlation of samples. With those that the "
        f"catalogue knows,\n{clips['cut']} clips are cut from a track, of which {clips['found']} are found: "
        f"recall {_share(clips, 'recall')}."
    )
    catalogue = (
        "Pairs of Sturm's catalogue of repetitions that are here. Clips of one recording may be cut from\n"
        "different places; the correlation of their samples shows what is shared."
    )
    besides = f"{len(clips['others'])} other pairs are found."
    if len(clips["others"]) > MOST:
        besides += f" Those whose samples agree least ({MOST}):"
    parts = [text, catalogue, _pairs(clips["catalogue"]), besides]
    return parts + ([_pairs(clips["others"][-MOST:])] if clips["others"] else [])


def _pairs(rows: Iterable[dict[str, Any]]) -> str:
    cells = [
        (
            *(row["kind"], _name(row["first"]), _name(row["second"]), f"{row['correlation']:.3f}"),
            "–" if row["similarity"] is None else f"{row['similarity']:.2f}",
        )
        for row in rows
    ]
    return _table(("repetition", "first", "second", "correlation of samples", "found, similarity"), cells)


def _name(path: str) -> str:
    """Return a track's id and whether it is a clip or whole."""
    kind = "clip" if path.startswith("gtzan-clips/") else "whole"
    return f"{path.rpartition('/')[2].rpartition('.')[0]} ({kind})"
