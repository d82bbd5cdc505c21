"""Audio in buckets: what is fetched, and that it is to decoders what a file of a disk is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.audio import ahead, fetched, partial
from audiospec.audio.ahead import FetchedAhead
from audiospec.audio.fetched import AudioFile, FetchedFile, open_source
from audiospec.audio.partial import END_BYTES, for_each_object
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.recording import Recording, load, probe
from audiospec.audio.source import SourceFile
from audiospec.digests import content_hash, version_bits
from audiospec.errors import AudioError, DiskFullError, StorageError
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.testing.audio import FORMATS, Format, damage, encode, noise, write_hostile, write_m4a
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import FaultProxy

pytest.importorskip("obstore", reason="needs obstore, the extra `cloud`")
pytest.importorskip("moto", reason="needs moto")

#: More than the two ends that are fetched first.
LONG = 4.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with FaultProxy(moto()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def url(proxy: FaultProxy) -> Iterator[Url]:
    """A bucket, whose requests the proxy counts."""
    with bucket(proxy.url) as url:
        yield url


@pytest.fixture
def put(url: Url) -> Callable[[Path], AudioFile]:
    """Put a file into the bucket; return it as a survey finds it."""

    def put(path: Path) -> AudioFile:
        folder = open_folder(url)
        folder.write(path.name, path.read_bytes())
        entry = folder.entry(path.name)
        assert entry is not None
        return AudioFile(url / path.name, entry.version, entry.size)

    return put


def _attempt(use: Callable[[Any], Any], source: Any) -> Any:
    """Return what a function returns, or the text of its error."""
    try:
        return use(source)
    except AudioError as error:
        return str(error)


def _everything(source: Any) -> tuple[str, bytes, Any, str]:
    recording = Recording(source, Reading(truncated="keep", keep_silent=True))
    waves = list(recording.waves(22050))
    return recording.hash, np.concatenate(waves).tobytes(), recording.info, recording.note


def _files(folder: Path) -> list[Path]:
    """Write files of all formats, short and long, whole, cut, damaged, joined, or under another's name."""
    write_hostile(folder)
    for how in FORMATS:
        rate = 48000 if how.suffix == ".opus" else 44100
        content = encode(0.2 * noise(LONG, rate), rate, how)
        name = f"{how}{how.suffix}"
        (folder / name).write_bytes(content)
        if how.subtype in ("PCM_16", "VORBIS", "MPEG_LAYER_III"):
            (folder / f"cut-{name}").write_bytes(content[: len(content) * 2 // 3])
            (folder / f"damaged-{name}").write_bytes(damage(content, at=0.97, length=300))
            (folder / f"twice-{name}").write_bytes(content + content)
            (folder / f"other-{how}.wav").write_bytes(content)
            (folder / f"tagged-{name}").write_bytes(b"ID3\x04\0\0\0\x10\0\0" + bytes(16 << 14) + content)
    for suffix, format, subtype in (
        *((".w64", "W64", "PCM_16"), (".caf", "CAF", "ALAC_16"), (".voc", "VOC", "PCM_16")),
        *((".sph", "NIST", "PCM_16"), (".sds", "SDS", "PCM_16"), (".oga", "OGG", "VORBIS")),
    ):
        (folder / f"rare{suffix}").write_bytes(encode(0.2 * noise(LONG), 22050, Format("", format, subtype)))
    with suppress(ImportError):
        write_m4a(folder / "x.m4a", (0.2 * noise(60, 44100)).astype(np.float32))
    return sorted(folder.iterdir())


def test_objects_are_probed_and_decoded_as_files_are(
    put: Callable[[Path], AudioFile], tmp_path: Path
) -> None:
    for path in _files(tmp_path / "all"):
        file = put(path)
        for reading in (STRICT, Reading(truncated="keep")):

            def use(source: Any, reading: Reading = reading) -> Any:
                return probe(source, reading)

            (found,) = for_each_object([file], use)
            expected = _attempt(use, path)
            assert (str(found) if isinstance(found, AudioError) else found) == expected, path.name
        assert _attempt(_everything, open_source(file)) == _attempt(_everything, path), path.name


def test_inputs_of_others_are_probed_and_decoded_as_files_are(
    put: Callable[[Path], AudioFile], shared_inputs: Path
) -> None:
    files = [path for path in shared_inputs.rglob("*") if path.is_file()]
    assert files
    for path in files:
        file = put(path)
        (found,) = for_each_object([file], probe)
        assert (str(found) if isinstance(found, AudioError) else found) == _attempt(probe, path), path
        assert _attempt(_everything, open_source(file)) == _attempt(_everything, path), path


@pytest.mark.parametrize(
    ("suffix", "format", "subtype", "requests"),
    [
        (".wav", "WAV", "PCM_16", 2),
        (".aiff", "AIFF", "PCM_24", 2),
        (".flac", "FLAC", "PCM_16", 5),  # three places where frames have to be in order
        (".mp3", "MP3", "MPEG_LAYER_III", 1),  # all of it
        (".dat", "MP3", "MPEG_LAYER_III", 3),  # its ends do not say enough
    ],
)
def test_a_probe_takes_few_requests(
    put: Callable[[Path], AudioFile],
    proxy: FaultProxy,
    tmp_path: Path,
    suffix: str,
    format: str,
    subtype: str,
    requests: int,
) -> None:
    path = tmp_path / f"sound{suffix}"
    path.write_bytes(encode(0.2 * noise(30, 44100), 44100, Format("", format, subtype)))
    assert path.stat().st_size > 2 * END_BYTES
    file = put(path)
    proxy.requests.clear()
    (found,) = for_each_object([file], probe)
    assert found == probe(path)
    assert [request.method for request in proxy.requests] == ["GET"] * requests


def test_an_object_is_one_request(
    put: Callable[[Path], AudioFile], proxy: FaultProxy, tmp_path: Path
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encode(noise(30.0)))
    file = put(path)
    proxy.requests.clear()
    with open_source(file) as source:
        assert source.content_hash() == content_hash(path)
        assert source.modified == version_bits(file.version)
        with source.open() as first, source.open() as second:
            assert first.read(100) == second.read(100) == path.read_bytes()[:100]
            assert first.read() == path.read_bytes()[100:]
    assert len(proxy.requests) == 1
    assert load(url_of(file), 22050).tobytes() == load(path, 22050).tobytes()


def url_of(file: AudioFile) -> str:
    return str(file.place)


def test_a_large_object_is_fetched_in_pieces_to_a_disk(
    put: Callable[[Path], AudioFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetched, "MOST_IN_MEMORY", 1000)
    monkeypatch.setattr(fetched, "PIECE_BYTES", 100_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = tmp_path / "sound.wav"
    path.write_bytes(encode(noise(9.0)))
    assert _everything(open_source(put(path))) == _everything(path)
    assert not [*(tmp_path / "temporary").iterdir()], "nothing is left"


def test_an_object_that_was_replaced_or_removed_is_told(
    put: Callable[[Path], AudioFile], url: Url, tmp_path: Path
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encode(noise(9.0)))
    file = put(path)
    path.write_bytes(encode(noise(9.0, seed=1)))
    put(path)
    with pytest.raises(AudioError, match=r"^changed while it was read: featurize again"):
        open_source(file)
    (found,) = for_each_object([file], probe)
    assert str(found).startswith("changed while it was read")
    open_folder(url).remove([path.name])
    with pytest.raises(AudioError, match=r"^not readable: No such file or directory$"):
        open_source(file)
    (found,) = for_each_object([file], probe)
    assert str(found) == "not readable: No such file or directory"


def test_a_bucket_that_does_not_answer_is_no_fault_of_the_audio(
    put: Callable[[Path], AudioFile], tmp_path: Path
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encode(noise(1.0)))
    file = put(path)
    broken = FaultProxy(moto(), rate=1.0, kinds=["503"])
    with broken, environment(broken.url, AUDIOSPEC_PATIENCE="0.3"):
        with pytest.raises(StorageError):
            open_source(file)
        with pytest.raises(StorageError):
            for_each_object([file], probe)
        files = FetchedAhead([file])
        with pytest.raises(StorageError):
            files.next()


def test_a_full_disk_is_no_fault_of_the_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    source = FetchedFile("x.wav", 4, "1")
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DiskFullError):
        source.append(b"RIFF")


class Gate:
    """Stands in for `open_source`: counts the objects that are held."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def __call__(self, file: AudioFile) -> Any:
        self.begun.append(file.place.name)
        if file.place.name == "bad":
            raise AudioError("changed while it was read")
        if file.place.name == "tight" and self.begun.count("tight") == 1:
            raise MemoryError
        return FetchedFile(file.place.name, 0, file.version)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(ahead, "open_source", gate)
    return gate


def _objects(*names: str, size: int = 100) -> list[AudioFile]:
    return [AudioFile(Url("s3", "b", name), "1", size) for name in names]


@pytest.mark.parametrize(("size", "most"), [(100, 8), (20 << 20, 2)])
def test_the_next_objects_are_fetched_ahead(gate: Gate, size: int, most: int) -> None:
    names = "abcdefghijkl"
    files = FetchedAhead(_objects(*names, size=size))
    assert files.memory == 0
    for number, name in enumerate(names):
        begun = names[: number + 1 + most]
        source = files.next()
        assert isinstance(source, FetchedFile)
        for fetch in files._begun:
            fetch._thread.join()
        assert source.name == name
        assert sorted(gate.begun) == list(begun)
        assert (files.memory > 0) == bool(files._begun)


def test_no_more_is_fetched_ahead_than_memory_is_for(gate: Gate) -> None:
    half = ahead.LARGE[1] // 2 + 1
    files = FetchedAhead([*_objects("a"), *_objects("b", "c", size=half), *_objects("d", size=1 << 40)])
    for name, begun in (("a", "ab"), ("b", "abc"), ("c", "abc"), ("d", "abcd")):
        source = files.next()
        assert isinstance(source, FetchedFile)
        assert source.name == name
        for fetch in files._begun:
            fetch._thread.join()
        assert sorted(gate.begun) == list(begun)


def test_an_error_is_that_of_its_own_file(gate: Gate) -> None:
    """Too little memory is no error, but a second try."""
    files = FetchedAhead(_objects("a", "bad", "tight", "d"))
    files.next()
    with pytest.raises(AudioError, match="changed"):
        files.next()
    assert isinstance(files.next(), FetchedFile)
    assert gate.begun.count("tight") == 2
    assert isinstance(files.next(), FetchedFile)


def test_files_of_a_disk_wait_for_their_turn(gate: Gate, tmp_path: Path) -> None:
    files = FetchedAhead([*_objects("a"), AudioFile(tmp_path / "disk.wav"), *_objects("b", "c")])
    files.next()
    assert gate.begun == ["a"]
    files.next()
    for fetch in files._begun:
        fetch._thread.join()
    assert sorted(gate.begun) == ["a", "b", "c", "disk.wav"]


def test_what_a_decoder_misses_is_fetched_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that reads here and there gets the bytes of the whole object, whichever it asks for."""
    content = np.random.default_rng(0).bytes(1_000_003)
    reads: list[tuple[int, int]] = []

    class Memory:
        def read_version(self, key: str, version: str, start: int, length: int) -> bytes:
            reads.append((start, length))
            return content[start : start + length]

        def map(self, function: Any, items: Any) -> list[Any]:
            return [*map(function, items)]

    monkeypatch.setattr(partial, "open_folder", lambda place: Memory())
    monkeypatch.setattr(fetched, "open_folder", lambda place: Memory())
    file = AudioFile(Url("s3", "b", "x.wav"), "1", len(content))
    random = np.random.default_rng(1)
    for _ in range(60):
        reads.clear()
        places = random.integers(0, len(content), random.integers(1, 12)).tolist()
        lengths = (10 ** random.uniform(0, 5.5, len(places))).astype(int).tolist()

        def use(source: SourceFile, places: Any = places, lengths: Any = lengths) -> list[bytes]:
            parts = []
            with source.open() as opened:
                for place, length in zip(places, lengths, strict=True):
                    opened.seek(place)
                    parts.append(opened.read(length))
            return parts

        (found,) = for_each_object([file], use)
        assert found == [content[p : p + n] for p, n in zip(places, lengths, strict=True)]
        asked = sorted((start, start + length) for start, length in reads if length < len(content))
        assert all(a[1] <= b[0] for a, b in pairwise(asked)), "nothing is fetched twice"
        assert sum(length == len(content) for _, length in reads) <= 1
