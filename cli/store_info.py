"""store info: what a store holds."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._text import by, count, facts, reasons, say, size
from audiospec.cli._views import described, tracks_of

if TYPE_CHECKING:
    from audiospec.specs.base import FeatureSpec
    from audiospec.stores.base import FeatureStore
    from audiospec.stores.layout.view import View

EPILOG = "Example: audiospec store info gtzan.zarr --problems"

#: With more labels than this, only their number is printed.
MOST_LABELS = 29

#: Of a longer list among a spec's fields, so many are printed.
MOST_NAMES = 3


def command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A feature store.")],
    problems: Annotated[
        bool, typer.Option("--problems", help="List every track without rows, and why.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Show what a store holds: tracks, views, how they were made."""
    from audiospec.stores.base import open_store

    store = open_store(path)
    if json:
        print(dumps(_object(store)))
    elif problems:
        _print_problems(store)
    else:
        _print(store)


def _print(store: FeatureStore) -> None:
    tracks = count(len(store.tracks), "track")
    say(f"{store.path}: {store.dataset}, {tracks}, {size(store.bytes_on_disk())}", "bold")
    bad = len(store.tracks.problems)
    more = f" (audiospec store info {shlex.quote(str(store.path))} --problems)"
    facts(
        {
            "audio": _audio(store),
            "labels": _labels(store),
            "problems": f"{count(bad, 'track')}{more}" if bad else "none",
        }
    )
    for view in store.views():
        say()
        say(view.name, "bold")
        facts(_facts(view, more))


def _print_problems(store: FeatureStore) -> None:
    found = {"with a problem": store.tracks.problems}
    found.update({f"skipped in {view.name}": view.skipped() for view in store.views()})
    for title, tracks in found.items():
        reasons(f"{count(len(tracks), 'track')} {title}", tracks, None)
    if not any(found.values()):
        say("no problems: every track has its rows")


def _audio(store: FeatureStore) -> str:
    """Say where the audio is, or was."""
    if not any(store.tracks["path"]):
        return "none: all from tables"
    return str(store.store_attributes().get("root", "not said: exported without"))


def _labels(store: FeatureStore) -> str:
    counts = Counter(store.tracks["label"].tolist())
    if len(counts) > MOST_LABELS:
        return count(len(counts), "label")
    return ", ".join(f"{label} {tracks}" for label, tracks in sorted(counts.items()))


def _facts(view: View, more: str) -> dict[str, str]:
    """Say all about one view, name by name."""
    changed, usual = _fields(view.spec)
    chunking, made = view.chunking, view.info.made
    skipped, stale = len(view.skipped()), view.stale()
    versions = ", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items())
    unit = f" {view.spec.unit}" if view.spec.unit else ""
    where = f"{made.get('device', '')} {made.get('backend', '')}".strip()
    parity = f"at most {made.get('parity', 0):.2g}{unit} from float64"
    how = {"made from": str(made["table"])} if "table" in made else {"made on": where, "parity": parity}
    return {
        "feature": view.spec.feature + (f" with {changed}" if changed else ""),
        "defaults": usual,
        "chunks": f"{chunking.seconds:g} s every {chunking.hop:g} s, filled at least {chunking.min_fill:g}",
        "data": f"{by(view.shape)} {view.spec.dtype}, {size(view.bytes_on_disk())}",
        **_code(view.spec),
        "tracks": f"{tracks_of(view)} of {len(view.store.tracks)}",
        "shards": f"{count(_shards(view), 'shard')} of up to {count(view.info.shard_rows, 'row')}",
        "made by": versions,
        **how,
        "skipped": f"{count(skipped, 'track')}{more}" if skipped else "none",
        "stale": f"{count(len(stale), 'track')} changed since: {', '.join(stale[:5])}" if stale else "none",
    }


def _code(spec: FeatureSpec) -> dict[str, str]:
    """Say what rounding to a byte costs, if numbers are kept so."""
    code = spec.code
    if code is None:
        return {}
    span = f"{code.offset:.1f} to {code.high:.1f} {spec.unit} in steps of {code.scale:.3f} {spec.unit}"
    return {"code": f"{span}: off by {code.worst:.3f} {spec.unit} at most"}


def _fields(spec: FeatureSpec) -> tuple[str, str]:
    """Put the fields that are not at their defaults, and those that are, in words."""
    changed: list[str] = []
    usual: list[str] = []
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        text = f"{field.name} {_value(value)}"
        (usual if value == field.default else changed).append(text)
    return ", ".join(changed), ", ".join(usual)


def _value(value: object) -> str:
    """Put a field's value in words; of a long list, its length and how it begins."""
    if isinstance(value, tuple):
        first = ", ".join(map(str, value[:MOST_NAMES]))
        return first if len(value) <= MOST_NAMES else f"{len(value)} ({first}, …)"
    return "none" if value is None else str(value)


def _object(store: FeatureStore) -> dict[str, Any]:
    """Gather what ``--json`` prints."""
    return {
        "store": str(store.path),
        "dataset": store.dataset,
        "root": store.store_attributes().get("root"),
        "bytes": store.bytes_on_disk(),
        "tracks": len(store.tracks),
        "labels": Counter(store.tracks["label"].tolist()),
        "problems": store.tracks.problems,
        "views": [
            {
                **described(view),
                **_attributes(view),
                "shards": _shards(view),
                "skipped": view.skipped(),
                "stale": view.stale(),
            }
            for view in store.views()
        ],
    }


def _attributes(view: View) -> dict[str, Any]:
    """What a store keeps with a view; the unit by its own name, not by that of CF."""
    stored = view.info.to_attributes()
    kept = {name: value for name, value in stored.items() if name not in ("long_name", "units")}
    return {**kept, "unit": view.spec.unit}


def _shards(view: View) -> int:
    return -(-len(view) // view.info.shard_rows)
