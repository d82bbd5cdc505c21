"""store info: show the contents of a store."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Sequence
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._text import by, count, facts, reasons, say
from audiospec.cli._views import described, tracks_of
from audiospec.specs.presets.base import preset_of
from audiospec.text import size

if TYPE_CHECKING:
    from audiospec.specs.base import FeatureSpec
    from audiospec.stores.base import FeatureStore
    from audiospec.stores.layout.duplicates import Duplicates, SameSound
    from audiospec.stores.layout.view import View

EPILOG = "Example: audiospec store info gtzan.zarr --problems"

#: If there are more labels, only their number is printed.
MAX_LABELS = 29

#: Number of items printed of a longer list in a spec.
MAX_ITEMS = 3


def command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A feature store.")],
    problems: Annotated[
        bool, typer.Option("--problems", help="List the tracks without rows, each with its reason.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the tracks and views of a store."""
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
    problems, notes = len(store.tracks.problems), store.tracks.notes
    same = _duplicates(store)
    more = f" (audiospec store info {shlex.quote(str(store.path))} --problems)"
    facts(
        {
            "audio": _audio(store),
            **_volumes(store),
            **({"labels": labels} if (labels := _labels(store)) else {}),
            **_targets(store),
            "problems": f"{count(problems, 'track')}{more}" if problems else "none",
            **({"notes": _kinds(notes) + more} if notes else {}),
            **({"equal files": _sets(same.files) + more} if same.files else {}),
            **({"clusters": _sets(same.clusters) + more} if same.clusters else {}),
        }
    )
    for view in store.views():
        say()
        say(view.name, "bold")
        facts(_facts(view, more))


def _volumes(store: FeatureStore) -> dict[str, str]:
    """Return how many volumes the store has, and which views some of them lack; empty if it has none."""
    from audiospec.stores.volumes.store import VolumeStore

    if not isinstance(store, VolumeStore):
        return {}
    volumes, finished = len(store.volumes), store.view_names()
    lacking = {
        name: f"{missing} of {volumes} volumes lack it" + ("" if name in finished else ", so it is not shown")
        for name, missing in store.lacking().items()
    }
    unfinished = "; ".join(f"{name}: {text}: featurize again" for name, text in lacking.items())
    return {
        "volumes": f"{volumes} of up to {store.listing.hours:g} h",
        **({"unfinished": unfinished} if unfinished else {}),
    }


def _targets(store: FeatureStore) -> dict[str, str]:
    """Return target, annotations and free columns of a store, without those that it does not have."""
    labelling, free = store.labelling, store.tracks.free
    facts = {}
    if labelling != type(labelling)() or len(store.annotations):
        background = {"drop": "dropped", "keep": "kept", "class": f"class {labelling.background_class}"}
        facts["target"] = (
            f"{labelling.target} from column {labelling.column}, overlap at least {labelling.min_overlap:g}, "
            f"background {background[labelling.background]}"
        )
    if len(store.annotations):
        annotated = count(len(set(store.annotations.track.tolist())), "track")
        facts["annotations"] = f"{len(store.annotations)} of {annotated}"
    if free:
        facts["columns"] = ", ".join(free)
    return facts


def _row_targets(view: View) -> dict[str, str]:
    """Return how many rows have targets of their own, and which; empty if it is their tracks' labels."""
    targets = view.targets
    if targets is None:
        return {}
    counts = Counter(targets.names[number] for number in targets.label.tolist())
    names = ", ".join(f"{name} {rows}" for name, rows in sorted(counts.items()))
    shown = names if len(counts) <= MAX_LABELS else count(len(counts), "label")
    with_any = len(set(targets.row.tolist()))
    return {"targets": f"{with_any} of {count(len(view), 'row')}" + (f": {shown}" if shown else "")}


def _print_problems(store: FeatureStore) -> None:
    problems = {"with a problem": store.tracks.problems}
    problems.update({f"skipped in {view.name}": view.skipped() for view in store.views()})
    for title, tracks in problems.items():
        reasons(f"{count(len(tracks), 'track')} {title}", tracks, None)
    reasons(f"{count(len(store.tracks.notes), 'track')} used with a note", store.tracks.notes, None)
    same = _duplicates(store)
    for sets, of_what in ((same.files, "equal files"), (same.clusters, "near-duplicates (clusters)")):
        texts = {one.name: one.contradiction() if one.contradicts else one.tracks() for one in sets}
        reasons(f"{count(len(sets), 'set')} of {of_what}", texts, None)
    if not any(problems.values()):
        say("no problems: every track has rows in every view")


def _audio(store: FeatureStore) -> str:
    """Return the folder of the audio when the store was written."""
    if not any(store.tracks["path"]):
        return "none (all tracks were imported from tables)"
    return str(store.store_attributes().get("root", "unknown (exported without it)"))


def _kinds(notes: dict[str, str]) -> str:
    """Return how many tracks have a note, and of which kinds: ``"3 tracks: 2 truncated, 1 silent"``."""
    kinds = Counter(part.partition(":")[0] for note in notes.values() for part in note.split("; "))
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return f"{count(len(notes), 'track')}: {counts}"


def _duplicates(store: FeatureStore) -> Duplicates:
    from audiospec.stores.layout.duplicates import duplicates

    return duplicates(store.tracks)


def _sets(sets: Sequence[SameSound]) -> str:
    """Return how many tracks hold the same sound: ``"5 tracks in 2 sets, 1 with contradictory labels"``."""
    contradictory = sum(same.contradicts for same in sets)
    tracks = count(sum(len(same.labels) for same in sets), "track")
    more = f", {contradictory} with contradictory labels" if contradictory else ""
    return f"{tracks} in {count(len(sets), 'set')}{more}"


def _label_counts(store: FeatureStore) -> Counter[str]:
    """Return the number of tracks that have each label, by themselves or by their annotations."""
    counts = Counter(store.tracks["label"].tolist())
    if len(store.annotations):
        pairs = zip(store.annotations.track.tolist(), store.annotations.label.tolist(), strict=True)
        counts.update(label for _, label in set(pairs))
        counts.pop("", None)
    return counts


def _labels(store: FeatureStore) -> str:
    counts = _label_counts(store)
    if len(counts) > MAX_LABELS:
        return count(len(counts), "label")
    return ", ".join(f"{label} {tracks}" for label, tracks in sorted(counts.items()))


def _facts(view: View, more: str) -> dict[str, str]:
    """Return name → value for everything that is printed about a view."""
    changed, defaults = _fields(view.spec)
    chunking, made = view.chunking, view.info.made
    skipped, stale = len(view.skipped()), view.stale()
    versions = ", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items())
    unit = f" {view.spec.unit}" if view.spec.unit else ""
    where = f"{made.get('device', '')} {made.get('backend', '')}".strip()
    parity = f"at most {made.get('parity', 0):.2g}{unit} from {view.spec.exact}"
    how = {"made from": str(made["table"])} if "table" in made else {"made on": where, "parity": parity}
    return {
        "feature": view.spec.feature + (f" with {changed}" if changed else ""),
        **({"preset": preset} if (preset := preset_of(view.spec)) else {}),
        "defaults": defaults,
        "chunks": f"{chunking.seconds:g} s every {chunking.hop:g} s, filled at least {chunking.min_fill:g}",
        "data": f"{by(view.shape)} {view.spec.dtype}, {size(view.bytes_on_disk())}",
        **_code(view.spec),
        "tracks": f"{tracks_of(view)} of {len(view.store.tracks)}",
        **_row_targets(view),
        "shards": f"{count(_shards(view), 'shard')} of up to {count(view.info.shard_rows, 'row')}",
        "made by": versions,
        **how,
        "skipped": f"{count(skipped, 'track')}{more}" if skipped else "none",
        "stale": f"{count(len(stale), 'track')} changed since: {', '.join(stale[:5])}" if stale else "none",
    }


def _code(spec: FeatureSpec) -> dict[str, str]:
    """Return range and rounding error of the stored bytes, if the view is stored as uint8."""
    code = spec.code
    if code is None:
        return {}
    span = f"{code.offset:.1f} to {code.high:.1f} {spec.unit} in steps of {code.scale:.3f} {spec.unit}"
    return {"code": f"{span}, error at most {code.max_error:.3f} {spec.unit}"}


def _fields(spec: FeatureSpec) -> tuple[str, str]:
    """Return the fields that differ from their defaults, and those that do not, as text."""
    changed: list[str] = []
    defaults: list[str] = []
    for field in dataclasses.fields(spec):
        if field.name in spec.arguments:
            continue
        value = getattr(spec, field.name)
        text = f"{field.name} {_value(value)}"
        if value != field.default:
            changed.append(text)
        elif field.name not in spec.later:  # what few specs use is not worth a line of each view
            defaults.append(text)
    return ", ".join(changed), ", ".join(defaults)


def _value(value: object) -> str:
    """Return a field's value as text; of a long list, its length and first items."""
    if isinstance(value, tuple):
        first = ", ".join(map(str, value[:MAX_ITEMS]))
        return first if len(value) <= MAX_ITEMS else f"{len(value)} ({first}, …)"
    return "none" if value is None else str(value)


def _object(store: FeatureStore) -> dict[str, Any]:
    """Return the object that ``--json`` prints."""
    return {
        "store": str(store.path),
        "dataset": store.dataset,
        "root": store.store_attributes().get("root"),
        "bytes": store.bytes_on_disk(),
        "tracks": len(store.tracks),
        **_volumes_object(store),
        "labels": _label_counts(store),
        "labelling": store.labelling.to_dict(),
        "annotations": len(store.annotations),
        "columns": store.tracks.free,
        "problems": store.tracks.problems,
        "notes": store.tracks.notes,
        "duplicates": _duplicates(store).to_dict(),
        "views": [
            {
                **described(view),
                **_attributes(view),
                "shards": _shards(view),
                "targets": None if view.targets is None else len(view.targets),
                "skipped": view.skipped(),
                "stale": view.stale(),
            }
            for view in store.views()
        ],
    }


def _volumes_object(store: FeatureStore) -> dict[str, Any]:
    from audiospec.stores.volumes.store import VolumeStore

    if not isinstance(store, VolumeStore):
        return {}
    return {"volumes": store.volumes, "volume_hours": store.listing.hours, "lacking": store.lacking()}


def _attributes(view: View) -> dict[str, Any]:
    """What a store keeps with a view; the unit by its own name, not by that of CF."""
    stored = view.info.to_attributes()
    kept = {name: value for name, value in stored.items() if name not in ("long_name", "units")}
    return {**kept, "unit": view.spec.unit}


def _shards(view: View) -> int:
    from audiospec.stores.volumes.view import VolumeView

    return view.shard_count() if isinstance(view, VolumeView) else -(-len(view) // view.info.shard_rows)
