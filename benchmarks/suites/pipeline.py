"""pipeline: from a folder of audio to features on disk, by two processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from audiospec.benchmarks.audio import TRACK_SECONDS
from audiospec.benchmarks.base import (
    Case,
    Limit,
    NotRun,
    Setup,
    Suite,
    Table,
    Target,
    absent,
    held,
    suites,
)
from audiospec.benchmarks.commands import (
    WORKERS,
    MakeStore,
    RowsByTrack,
    TracksByName,
    audiospec_command,
    largest_difference,
    read_arrays,
    read_lhotse,
)
from audiospec.benchmarks.measure import can_watch, watching_children
from audiospec.benchmarks.parts import PartAndFloor
from audiospec.benchmarks.words import size

#: All that these processes may hold together, whatever the number of tracks.
MOST_MEMORY = 1.5e9
#: … compared at these. Shards, which workers hold, grow with a view until it has so many tracks as the first.
MEMORY_TRACKS = (400, 1000)
#: Formats that take some time to decode.
COMPRESSED = ("flac", "ogg", "mp3")
#: dB; one step of float16 between 64 and 128 dB is 0.0625.
TOLERANCE = 0.07
#: What keeps libraries to one thread.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@suites.register
class Pipeline(Suite):
    """Ours, the scripts that people write instead, and what the parts of the work take alone."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """WAV to a store; where its time goes; its memory; other formats; a device."""
        sizes = (85, 765) if setup.full else (40, 440)
        tracks = TracksByName(setup, "wav", max(*sizes, *MEMORY_TRACKS))
        ours = audiospec_command(setup, tracks, sizes)
        with PartAndFloor(setup.folder / "floor") as pair:
            peers, missing = _peers(setup, tracks)
            yield _wav(tracks, ours, peers, missing, pair)
            yield _by_processor(ours, peers)
            yield _where_time_goes(tracks, ours, pair)
            yield _memory(ours)
            shares = []
            for kind in COMPRESSED:
                few, many = (24, 240) if setup.full else (24, 144)
                # As music files are.
                tracks_of_kind = TracksByName(setup, kind, many, 44100, channels=2)
                ours_of_kind = audiospec_command(setup, tracks_of_kind, (few, many))
                yield _format(tracks_of_kind, ours_of_kind, pair)
                shares.append(_shares(tracks_of_kind, ours_of_kind, pair))
            yield _formats(shares)
            if setup.device != "cpu":
                yield _on_device(setup, tracks, sizes, pair)


def _wav(
    tracks: TracksByName,
    ours: MakeStore,
    peers: Mapping[str, MakeStore],
    missing: Mapping[str, str],
    pair: PartAndFloor,
) -> Case:
    """Every contender over WAV files at the features' own rate."""
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name="30 s WAV → 10 s float16 Zarr on disk, 2 workers, start-up aside",
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours"),
            *(peer.contender(name, amount, note=peer.note) for name, peer in peers.items()),
            pair.contender("its parts' floors", tracks, amount, ("decode", "fft", "write")),
            pair.contender("its parts alone", tracks, amount, ("decode", "to_wave", "log_mel", "write")),
        ],
        difference=largest_difference,
        difference_unit="dB",
        tolerance=TOLERANCE,
        targets=[
            Target("librosa script", 7),
            Target("librosa script, one thread each", 7),
            Target("torchaudio script", 4),
            Target("lhotse, lilcom", 5),
            Target("lhotse, plain files", 3.5),
            Target("its parts' floors", 0.70),
            Limit("memory_bytes", MOST_MEMORY),
        ],
        # Just the least, for rounds are dear: each runs every command twice.
        seconds=0,
        least=ours.rounds,
        memory="children",
        missing=missing,
        note=(
            "a time is that of a large folder less that of a small one, brought to equal audio; memory is "
            "that of the small one. Its parts' floors: soundfile alone, the FFT alone, a plain write; its "
            "parts alone: soundfile, the frontend and a plain write. Lhotse leaves out the last frame of "
            "862; lilcom is lossy, to 1/64 dB"
        ),
    )


def _peers(setup: Setup, tracks: TracksByName) -> tuple[dict[str, MakeStore], dict[str, str]]:
    """The scripts that people write, by name, and those that cannot run here."""
    # They are slower than ours. Pools hand out four tracks at a time: at the end, no process is idle.
    sizes = (40, 200) if setup.full else (24, 144)

    def script(
        name: str,
        read: Callable[[Path], RowsByTrack],
        *more: str,
        sizes: tuple[int, int] = sizes,
        **options: Any,
    ) -> MakeStore:
        out = setup.folder / "peer"
        command = ["audiospec.benchmarks.peers." + name, "{data}", str(out), "--workers", str(WORKERS), *more]
        return MakeStore(command, out, read, tracks, sizes, **options)

    found = {
        # Twice as slow as the next: fewer tracks say as much.
        "librosa script": script(
            "librosa_script", read_arrays, sizes=(24, 72), note="its processes fight for the cores"
        ),
        "librosa script, one thread each": script("librosa_script", read_arrays, environment=ONE_THREAD),
        "torchaudio script": script("torchaudio_script", read_arrays),
        "lhotse, lilcom": script("lhotse_script", read_lhotse, "--lilcom"),
        "lhotse, plain files": script("lhotse_script", read_lhotse),
    }
    missing = {}
    for package, why in absent("librosa", "torchaudio", "lhotse", "lilcom").items():
        # Lhotse's scripts compute their features by torchaudio.
        needing = ("torchaudio", "lhotse") if package == "torchaudio" else (package,)
        for name in [name for name in found if any(each in name for each in needing)]:
            missing[name] = f"{package} is {why}"
            del found[name]
    return found, missing


def _format(tracks: TracksByName, ours: MakeStore, pair: PartAndFloor) -> Case:
    """Ours over another format, beside its decoding alone."""
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name=f"30 s {tracks.kind} → 10 s float16 Zarr on disk, 2 workers, start-up aside",
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours", result=lambda: None),
            pair.contender("decoding alone", tracks, amount, ("decode", "to_wave")),
            pair.contender("decoding and log-mel alone", tracks, amount, ("decode", "to_wave", "log_mel")),
        ],
        targets=[Target("decoding alone", 0.80)],
        seconds=0,
        least=ours.rounds,
        memory="",
        note="decoding: to mono samples at the features' rate, by soundfile and soxr; the second floor is "
        "what can be had at most while features are computed by the same processes",
    )


def _shares(tracks: TracksByName, ours: MakeStore, pair: PartAndFloor) -> list[str]:
    """Of a format whose case has been measured: its parts and the whole by processor time, and shares."""
    alone = pair.parts(tracks, ("decode", "to_wave", "log_mel"))
    decoding, whole = alone["decode"] + alone["to_wave"], ours.per_track
    both = decoding + alone["log_mel"]
    times = [f"{1e3 * seconds:.1f}" for seconds in (decoding, alone["log_mel"], whole)]
    return [tracks.kind, *times, f"{decoding / whole:.0%}", f"{both / whole:.0%}"]


def _formats(rows: Sequence[Sequence[str]]) -> Table:
    return Table(
        name="30 s tracks of other formats, by processor time, start-up aside",
        head=["format", "decoding, ms a track", "log-mel", "audiospec", "share of decoding", "share of both"],
        rows=rows,
        note="of the runs above: what decoding and log-mel leave is all that the rest of the pipeline takes",
    )


def _on_device(
    setup: Setup, tracks: TracksByName, sizes: tuple[int, int], pair: PartAndFloor
) -> Case | NotRun:
    """Ours with its features on a device: what is left to the processors is decoding."""
    name = f"30 s WAV → 10 s float16 Zarr on disk, 2 workers, features on {setup.device}"
    if not setup.device.startswith("cuda") or not torch.cuda.is_available():
        return NotRun(name, f"no CUDA device {setup.device!r} is here")
    ours = audiospec_command(setup, tracks, sizes, "--device", setup.device)
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name=name,
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours", result=lambda: None),
            pair.contender("decoding alone", tracks, amount, ("decode", "to_wave")),
        ],
        targets=[Target("decoding alone", 0.80)],
        seconds=0,
        least=ours.rounds,
        memory="",
    )


def _by_processor(ours: MakeStore, peers: Mapping[str, MakeStore]) -> Table:
    """The case's runs once more, by processor time."""
    least = ours.per_track
    rows = [
        [name, f"{1e3 * command.per_track:.1f}", f"{command.per_track / least:.3g}×"]
        for name, command in {"audiospec": ours, **peers}.items()
    ]
    return Table(
        name="30 s WAV → 10 s float16 Zarr on disk, by processor time, start-up aside",
        head=["contender", "ms of a core, a track", "over ours"],
        rows=rows,
        note="of the runs above; on a machine that has other work to do, it tells more than the clock",
    )


def _where_time_goes(tracks: TracksByName, ours: MakeStore, pair: PartAndFloor) -> Table:
    """Where the time of the processors goes: each part alone, and what our own runs took beside them."""
    chain = ("read", "hash", "decode", "to_wave", "log_mel", "to_float16", "checksum", "write")
    alone = pair.parts(tracks, (*chain, "fft"))
    whole, together = ours.per_track, sum(alone[part] for part in chain)
    floor = sum(alone[part] for part in ("decode", "fft", "write"))
    rows = {
        "raw read of the file": alone["read"],
        "hash of its bytes": alone["hash"],
        "soundfile alone, to 16-bit integers": alone["decode"],
        "to float32": alone["to_wave"],
        "log-mel: the frontend": alone["log_mel"],
        "… of it, the FFT alone": alone["fft"],
        "to float16": alone["to_float16"],
        "checksum": alone["checksum"],
        "plain write": alone["write"],
        "sum, in which the FFT counts once": together,
        "audiospec, all its processes, start-up aside": whole,
        "… beyond the sum": whole - together,
        "soundfile, the FFT and the write: the floor": floor,
    }
    return Table(
        name="where the time of a 30 s WAV track goes",
        head=["part", "ms of a core, a track"],
        rows=[[name, f"{1e3 * seconds:.2f}"] for name, seconds in rows.items()],
        note=(
            f"processor time, in two processes at once; of audiospec's, the floor is {floor / whole:.0%}, "
            f"the sum of its parts {together / whole:.0%}"
        ),
    )


def _memory(ours: MakeStore) -> Table | NotRun:
    """Peak memory of a small and of a large folder."""
    name = "memory of audiospec featurize, 2 workers"
    if not can_watch():
        return NotRun(name, "memory of processes cannot be had: Linux and psutil are needed")
    peaks = []
    for count in MEMORY_TRACKS:
        with watching_children() as peak:
            ours.run(count)
        peaks.append(peak.together)
    return Table(
        name=name,
        head=["tracks", "peak"],
        rows=[[count, size(peak)] for count, peak in zip(MEMORY_TRACKS, peaks, strict=True)],
        targets=[
            held("peak of the large folder", peaks[-1], MOST_MEMORY, "bytes"),
            held("peak of the large folder over that of the small one", peaks[-1] / peaks[0], 1.1),
        ],
        note="of all its processes: what they share counts once",
    )


# --- commands, start-up aside ---


# --- floors: parts of the work, alone, in two processes at once ---
