"""Make the kept samples of format 3: stores with annotations, free columns and targets.

They show that a later version reads what an earlier one wrote, so they are made once and never again:

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/kept/make_format3.py tests/kept/format3
"""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import audiospec
from audiospec.stores.base import FeatureStore

sys.path.insert(0, str(Path(__file__).parent))
from make_format2 import AUDIO, SPEC, described

WORK = Path("/tmp/audiospec-kept-3")
#: File, start and end in seconds, label, value, device: labels that overlap, one that is of the whole file.
EVENTS = [
    ("high/high.00000.flac", 0.0, 1.2, "high", "eins ☃"),
    ("high/high.00000.flac", 0.5, 2.5, "dog", "eins ☃"),
    ("high/high.00001.flac", 1.9, 2.5, "high", "zwei"),
    ("low/low.00000.flac", 0.25, 0.75, "low", ""),
    ("low/low.00000.flac", 0.25, 0.5, "dog", ""),
    ("middle/middle.00000.flac", 0.0, 2.5, 'ähnlich "c"', "zwei"),
]
STORES = {
    "labels.zarr": "multi-label",
    "labels.h5": "multi-label",
    "single.zarr": "single",
    "numbers.h5": "number",
}


def with_targets(store: FeatureStore) -> dict[str, Any]:
    """Return what must stay as it is: also annotations, free columns, labelling, and the targets of rows."""
    table = store.annotations
    views = {}
    for view in store.views():
        targets = view.targets
        assert targets is not None
        views[view.name] = {
            "names": list(targets.names),
            **{name: _plain(getattr(targets, name)) for name in ("row", "label", "share", "value")},
            "labels": view.labels.tolist(),
        }
    return {
        **described(store),
        "format": store.format,
        "labelling": store.labelling.to_dict(),
        "free": {name: store.tracks[name].tolist() for name in store.tracks.free},
        "annotations": {
            name: _plain(getattr(table, name))
            for name in ("track", "start", "end", "label", "value", "column")
        },
        "targets": views,
    }


def _plain(values: Any) -> list[Any]:
    """Return numbers as JSON has them: NaN and infinity as text."""
    return [
        str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for value in values.tolist()
    ]


def write_table(name: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def main(out: Path) -> None:
    out = out.absolute()
    out.mkdir(exist_ok=True)
    shutil.copytree(AUDIO, WORK / "audio")
    os.chdir(WORK / "audio")
    segments = ("path", "start", "end", "label", "device")
    write_table("multi-label.csv", segments, EVENTS)
    write_table("single.csv", segments, [event for event in EVENTS if event[3] != "dog"])
    numbers = [(path, start, device) for path, start, _, _, device in EVENTS[::2]]
    write_table("number.csv", ("path", "valence", "device"), numbers)
    expected = {}
    for name, target in STORES.items():
        options = {"label_column": "valence"} if target == "number" else {}
        audiospec.featurize(
            "csv",
            data=f"{target}.csv",
            options={"target": target, **options},
            spec=SPEC,
            chunk=audiospec.Chunking(seconds=1, hop=0.5),
            background="class" if target == "single" else "keep",
            store=f"../{name}",
            workers=0,
        )
        expected[name] = with_targets(audiospec.open_store(f"../{name}"))
        with zipfile.ZipFile(out / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            place = Path("..") / name
            files = [place] if place.is_file() else sorted(place.rglob("*"))
            for stored in files:
                if stored.is_file():
                    packed.write(stored, stored.relative_to("..").as_posix())
    (out / "expected.json").write_text(
        json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    os.chdir("/")
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
