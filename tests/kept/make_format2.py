"""Make the kept samples of what came after format 1: a store of a bucket, and a store with volumes.

They show that a later version reads what an earlier one wrote, so they are made once and never again:

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/kept/make_format2.py tests/kept/format2
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import audiospec
from audiospec.storage.opening import open_folder
from audiospec.testing.buckets import bucket

AUDIO = Path(__file__).parent / "v0.1.0" / "audio"
WORK = Path("/tmp/audiospec-kept")
SPEC = audiospec.MelSpec(sample_rate=8000, n_fft=512, hop_length=256, n_mels=16, fmax=4000)
BYTES = audiospec.MelSpec(sample_rate=8000, n_fft=512, hop_length=256, n_mels=16, fmax=4000, dtype="uint8")
#: Hours of a volume: three of the eight tracks of 2.5 s.
HOURS = 7.5 / 3600


def described(store: audiospec.FeatureStore) -> dict[str, Any]:
    """Return what must stay as it is: tracks, and each view's rows and numbers."""
    views = {}
    for view in store.views():
        numbers, rows = view.read_stored(), view.rows
        views[view.name] = {
            "shape": list(view.shape),
            "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
            "numbers": hashlib.sha256(numbers.tobytes()).hexdigest(),
            "ids": view.ids.tolist(),
        }
    return {"tracks": store.tracks["id"].tolist(), "labels": store.tracks["label"].tolist(), "views": views}


def main(out: Path) -> None:
    out = out.absolute()
    out.mkdir(exist_ok=True)
    shutil.copytree(AUDIO, WORK / "audio")
    os.chdir(WORK)
    expected = {}
    with bucket() as home:
        for spec in (SPEC, BYTES):
            audiospec.featurize(
                "folder", data="audio", spec=spec, chunk=1, store=home / "bucket.zarr", workers=0
            )
        expected["bucket.zarr"] = described(audiospec.open_store(home / "bucket.zarr"))
        folder = open_folder(home)
        with zipfile.ZipFile(out / "bucket.zarr.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for entry in folder.list("bucket.zarr/"):
                packed.writestr(entry.key, folder.read(entry.key))
    audiospec.run(
        "folder",
        data="audio",
        views=[(SPEC, audiospec.Chunking(seconds=1))],
        store="volumes.zarr",
        workers=0,
        volume_hours=HOURS,
    )
    expected["volumes.zarr"] = described(audiospec.open_store("volumes.zarr"))
    with zipfile.ZipFile(out / "volumes.zarr.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(Path("volumes.zarr").rglob("*")):
            if file.is_file():
                packed.write(file, file.as_posix())
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    os.chdir("/")
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
