"""The same sound is found in another file, encoding, level, cut or loop; other songs are not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec import Chunking, MelSpec
from audiospec.datasets.demo import RATE, Demo
from audiospec.doctor.duplicates import FoundDuplicates, Pair, find_duplicates
from audiospec.doctor.duplicates.exact import exact_pairs
from audiospec.errors import StoreError
from audiospec.stores.base import open_store
from audiospec.stores.layout.schema import REMOVED, TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View

SPEC = MelSpec(n_mels=64, hop_length=512)
#: Copy → track that it is made of, and second of the track at which the copy begins.
TRUTH = {
    "copy": ("hymn.00000", 0.0),
    "mp3": ("reel.00000", 0.0),
    "shifted": ("waltz.00001", 1.2345),
    "trimmed": ("march.00000", 2.5),
    "loop": ("stomp.00000", None),
    "equalised": ("shuffle.00001", 0.0),
}


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty songs, the copies of `TRUTH`, a sound that is too short, with and without silence after it."""
    folder = tmp_path_factory.mktemp("songs")
    demo = Demo(folder / "made", tracks=2, seconds=12)
    demo.manifest()
    shutil.move(demo.root, folder / "audio")
    audio = folder / "audio"

    def song(copy: str) -> Any:
        name = TRUTH[copy][0]
        return soundfile.read(audio / name.partition(".")[0] / f"{name}.wav")[0]

    def write(name: str, wave: Any, suffix: str = ".wav") -> None:
        (audio / "copies").mkdir(exist_ok=True)
        soundfile.write(audio / "copies" / f"{name}{suffix}", wave, RATE)

    write("mp3", song("mp3") / 2, ".mp3")
    write("shifted", song("shifted")[round(1.2345 * RATE) :])
    write("trimmed", song("trimmed")[round(2.5 * RATE) : -round(1.7 * RATE)])
    loop = song("loop")
    write("loop", np.resize(loop[4 * RATE : 7 * RATE], len(loop)))
    bright = song("equalised")
    write("equalised", np.tanh(3 * np.diff(bright, prepend=0.0)), ".ogg")
    write("silence", np.concatenate([song("mp3")[: RATE // 2], np.zeros(5 * RATE)]))
    write("short", song("mp3")[: RATE // 2])
    shutil.copy(audio / "hymn" / "hymn.00000.wav", audio / "copies" / "copy.wav")
    return audio


def featurize(audio: Path, store: Path, spec: MelSpec, chunking: Chunking) -> View:
    return audiospec.featurize("folder", data=audio, store=store, spec=spec, chunk=chunking, workers=0)


@pytest.fixture(scope="module")
def view(audio: Path, tmp_path_factory: pytest.TempPathFactory) -> View:
    store = tmp_path_factory.mktemp("store") / "s.zarr"
    return featurize(audio, store, SPEC, Chunking(seconds=3, min_fill=0.05))


def names(view: View) -> list[str]:
    return [Path(id).stem for id in view.store.tracks["id"].tolist()]


def clusters(view: View, found: FoundDuplicates) -> set[frozenset[str]]:
    stems = names(view)
    return {frozenset(stems[number] for number in cluster) for cluster in found.clusters}


EXPECTED = {frozenset((copy, source)) for copy, (source, _) in TRUTH.items()}


def test_every_copy_is_found_and_no_other(view: View) -> None:
    found, stems = find_duplicates(view), names(view)
    assert clusters(view, found) == EXPECTED
    assert {stems[number] for number in found.not_compared} == {"silence", "short"}
    assert found.compared == len(stems) - 3  # nor is the copy, which has the bytes of another
    for pair in found.pairs:
        first, second = stems[pair.first], stems[pair.second]
        copy = second if second in TRUTH else first
        start = TRUTH[copy][1]
        assert pair.kind == ("bytes" if copy == "copy" else "sound")
        assert 0.5 < pair.similarity <= 1
        if start is not None:
            assert pair.lag_seconds * (1 if copy == second else -1) == pytest.approx(start, abs=0.05)


@pytest.mark.parametrize(
    ("suffix", "spec", "chunking"),
    [
        (".h5", replace(SPEC, dtype="uint8"), Chunking(seconds=2, hop=0.75, min_fill=0.05)),
        (
            ".zarr",
            replace(SPEC, hop_length=1024, n_mels=24, dtype="float32"),
            Chunking(seconds=60, min_fill=0),
        ),
        (".zarr", replace(SPEC, scale="linear", dtype="float32"), Chunking(seconds=5, min_fill=0)),
        (".zarr", replace(SPEC, ref="max", top_db=60.0, center=False), Chunking(seconds=4, min_fill=0.1)),
    ],
    ids=["bytes-overlapping", "one-row-each", "linear", "relative"],
)
def test_any_store_and_chunking(
    audio: Path, tmp_path: Path, suffix: str, spec: MelSpec, chunking: Chunking
) -> None:
    view = featurize(audio, tmp_path / f"s{suffix}", spec, chunking)
    assert clusters(view, find_duplicates(view)) == EXPECTED


def test_the_same_seed_gives_the_same_result(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiospec.doctor.duplicates import search

    monkeypatch.setattr(search, "SAMPLE", 12)
    first, again, other = (find_duplicates(view, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.clusters == other.clusters
    assert first.pairs != other.pairs  # it is learnt from other tracks


def test_progress_reaches_its_end(view: View) -> None:
    steps: dict[str, tuple[int, int]] = {}
    find_duplicates(view, tell=lambda what, done, total: steps.update({what: (done, total)}))
    assert set(steps) == {"reading rows", "comparing descriptors", "comparing hashes", "comparing tracks"}
    assert all(done == total > 0 for done, total in steps.values())


def test_damaged_rows_are_left_out(view: View, tmp_path: Path) -> None:
    shutil.copytree(view.store.path, tmp_path / "s.zarr")
    broken = open_store(tmp_path / "s.zarr").view()
    stems = names(broken)
    for name in ("drone.00000", "loop"):
        rows = np.flatnonzero(broken.rows["track"] == stems.index(name))
        for row in rows if name == "loop" else rows[:1]:
            overwrite(broken, int(row))
    broken = open_store(tmp_path / "s.zarr").view()
    found = find_duplicates(broken)
    assert clusters(broken, found) == {pair for pair in EXPECTED if "loop" not in pair}
    assert stems.index("loop") in found.not_compared
    assert stems.index("drone.00000") not in found.not_compared


def overwrite(view: View, row: int) -> None:
    """Replace a row of an uncompressed shard by loud noise, which correlates with nothing."""
    shard, place = divmod(row, view.info.shard_rows)
    path = Path(str(view.store.path)) / "views" / view.name / "data" / "c" / str(shard) / "0" / "0"
    content = bytearray(path.read_bytes())
    size = view.info.row_bytes
    noise = 60 * np.random.default_rng(row).random(view.info.row_shape)
    content[place * size : (place + 1) * size] = noise.astype(view.spec.dtype).tobytes()
    path.write_bytes(content)


def test_what_cannot_be_searched(view: View, tmp_path: Path) -> None:
    for settings, text in (
        ({"least": 0.0}, "`least` must be above 0, at most 1; got 0"),
        ({"least": float("nan")}, "`least` must be"),
        ({"seconds": 0.0}, "`seconds` must be above 0; got 0"),
    ):
        with pytest.raises(StoreError, match=text):
            find_duplicates(view, **settings)


def test_equal_files_and_samples() -> None:
    hashes = [f"{number:032x}" for number in (1, 2, 1, 3, 1, 2, 3)]
    records = [TrackRecord(f"t{number}", hash=hash) for number, hash in enumerate(hashes)]
    records[4] = replace(records[4], problem="cannot be decoded")
    records[5] = replace(records[5], problem=REMOVED)
    records += [TrackRecord("imported"), TrackRecord("imported too")]
    tracks = Tracks.from_records(records)
    assert exact_pairs(tracks) == (Pair(0, 2, "bytes"), Pair(1, 5, "bytes"), Pair(3, 6, "bytes"))
    samples = np.array(["x", "", "y", "y", "y", "", "y", "", ""], dtype=object)
    with_samples = replace(tracks, columns={**tracks.columns, "samples_hash": samples})
    assert exact_pairs(with_samples) == (
        Pair(0, 2, "bytes"),
        Pair(1, 5, "bytes"),
        Pair(2, 3, "samples"),
        Pair(2, 6, "samples"),
        Pair(3, 6, "bytes"),
    )


@pytest.fixture(scope="module")
def clips(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> View:
    """Four whole tracks of GTZAN, clips of five tracks, and twelve clips of others."""
    folder = tmp_path_factory.mktemp("clips") / "audio"
    parts = {"jazz": ("00060", "00068", "00072"), "rock": ("00020",)}
    cut = {"jazz": ("00037", "00042", "00046"), "rock": ("00020",)}
    for genre in ("blues", "classical", "jazz", "rock"):
        for kind, source in (
            ("whole", shared_data / "gtzan-part" / "genres"),
            ("clip", shared_data / "gtzan-clips"),
        ):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            wanted = [f"{genre}.{number}" for number in (parts if kind == "whole" else cut).get(genre, ())]
            if kind == "clip":
                wanted += [path.stem for path in sorted((source / genre).glob("*"))[3:6]]
            for name in wanted:
                shutil.copy(source / genre / f"{name}.flac", folder / kind)
    return featurize(folder, folder.parent / "s.zarr", SPEC, Chunking(seconds=3, min_fill=0.05))


@pytest.mark.realdata
def test_clips_of_gtzan_are_found_in_their_tracks(clips: View) -> None:
    """Sturm (2013) lists the three of jazz as repetitions: one recording under two numbers."""
    ids = [id.rpartition(".")[0] for id in clips.store.tracks["id"].tolist()]
    found = find_duplicates(clips)
    assert {frozenset(ids[number] for number in cluster) for cluster in found.clusters} == {
        frozenset(("clip/jazz.00037", "whole/jazz.00060")),
        frozenset(("clip/jazz.00042", "whole/jazz.00068")),
        frozenset(("clip/jazz.00046", "whole/jazz.00072")),
        frozenset(("clip/rock.00020", "whole/rock.00020")),
    }
