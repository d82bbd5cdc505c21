"""pipeline: a folder of audio to features on disk, with two worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
    suites,
    target_result,
)
from audiospec.benchmarks.commands import (
    WORKERS,
    FeaturizeCommand,
    RowsByTrack,
    TrackFolder,
    audiospec_command,
    largest_difference,
    read_arrays,
    read_lhotse,
)
from audiospec.benchmarks.formatting import format_size
from audiospec.benchmarks.measure import can_watch_children, watch_children
from audiospec.benchmarks.parts import PartTimer
from audiospec.features.native.base import native_reason
from audiospec.specs.mel import MelSpec

#: The name of our command with the backend that is used where no extension was built.
FFT = "audiospec, backend fft"
#: The largest acceptable share of the processor time of `FFT`.
MAX_SHARE_OF_FFT = 0.5
#: The largest acceptable peak memory of all processes together in bytes, for any number of tracks.
MAX_MEMORY = 0.35e9
#: Numbers of tracks at which memory is compared. Shards, which workers hold, reach full size at the first.
MEMORY_TRACKS = (400, 1000)
#: Formats whose decoding takes a noticeable part of the time.
COMPRESSED = ("flac", "ogg", "mp3")
#: dB; float16 has steps of 0.0625 between 64 and 128 dB.
TOLERANCE = 0.07
#: Environment variables that limit libraries to one thread.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@suites.register
class Pipeline(Suite):
    """Our command, scripts with other libraries, and the parts of the work timed alone."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield WAV to a store, the time of its parts, its memory, other formats, and a device."""
        # Shards end where tracks end; both sizes make an even number of equal ones, so that no worker waits.
        sizes = (80, 1000) if setup.full else (80, 600)
        tracks = TrackFolder(setup, "wav", max(*sizes, *MEMORY_TRACKS))
        ours = audiospec_command(setup, tracks, sizes)
        with PartTimer(setup.folder / "floor") as timer:
            peers, missing = _peers(setup, tracks)
            reason = native_reason(MelSpec())
            if reason:
                missing["audiospec, backend native"] = reason
            else:
                peers = {FFT: audiospec_command(setup, tracks, sizes, "--backend", "fft"), **peers}
            yield _wav_case(tracks, ours, peers, missing, timer)
            yield cpu_time_table(ours, peers)
            yield _parts_table(tracks, ours, timer)
            yield _memory_table(ours)
            rows = []
            for kind in COMPRESSED:
                few, many = (32, 352) if setup.full else (32, 224)
                # Stereo at 44.1 kHz, as music files usually are.
                tracks_of_kind = TrackFolder(setup, kind, many, 44100, channels=2)
                ours_of_kind = audiospec_command(setup, tracks_of_kind, (few, many))
                yield _format_case(tracks_of_kind, ours_of_kind, timer)
                rows.append(_format_row(tracks_of_kind, ours_of_kind, timer))
            yield _format_table(rows)
            if setup.device != "cpu":
                yield _device_case(setup, tracks, sizes, timer)


def _wav_case(
    tracks: TrackFolder,
    ours: FeaturizeCommand,
    peers: Mapping[str, FeaturizeCommand],
    missing: Mapping[str, str],
    timer: PartTimer,
) -> Case:
    """Return a case with all contenders, for WAV files at the sample rate of the features."""
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name="30 s WAV → 10 s float16 Zarr on disk, 2 workers, start-up aside",
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours"),
            *(peer.contender(name, amount, note=peer.note) for name, peer in peers.items()),
            timer.contender("its parts' floors", tracks, amount, ("decode", "fft", "write")),
            timer.contender("its parts alone", tracks, amount, ("decode", "to_wave", "log_mel", "write")),
        ],
        difference=largest_difference,
        difference_unit="dB",
        tolerance=TOLERANCE,
        targets=[
            Target("librosa script", 20),
            Target("librosa script, one thread each", 8),
            Target("torchaudio script", 7),
            Target("lhotse, lilcom", 8),
            Target("lhotse, plain files", 6),
            Target("its parts' floors", 0.8),
            Limit("memory_bytes", MAX_MEMORY),
        ],
        # Only the minimum of rounds: they are expensive, because each runs every command twice.
        seconds=0,
        min_rounds=ours.rounds,
        memory="children",
        missing=missing,
        note=(
            "times are those of a large folder minus those of a small one, scaled to the same amount of "
            "audio; memory is that of the small one. Its parts' floors: soundfile, the FFT, a plain write; "
            "its parts alone: soundfile, log-mel as workers compute it, and a plain write. Lhotse leaves out "
            "the last frame of 862; lilcom rounds to 1/64 dB"
        ),
    )


def _peers(setup: Setup, tracks: TrackFolder) -> tuple[dict[str, FeaturizeCommand], dict[str, str]]:
    """Return the peers' scripts by name, and the reasons why others cannot run here."""
    # Fewer tracks than ours: the scripts are slower. Pools assign four tracks at a time, so the sizes are
    # multiples of eight and neither process is idle at the end.
    sizes = (40, 200) if setup.full else (24, 144)

    def script(
        name: str,
        read: Callable[[Path], RowsByTrack],
        *arguments: str,
        sizes: tuple[int, int] = sizes,
        **options: Any,
    ) -> FeaturizeCommand:
        out = setup.folder / "peer"
        command = ["audiospec.benchmarks.peers." + name, "{data}", str(out), "--workers", str(WORKERS)]
        command += arguments
        return FeaturizeCommand(command, out, read, tracks, sizes, **options)

    scripts = {
        # Half as fast as the next one, so it gets fewer tracks.
        "librosa script": script(
            "librosa_script", read_arrays, sizes=(24, 72), note="its processes compete for the cores"
        ),
        "librosa script, one thread each": script("librosa_script", read_arrays, environment=ONE_THREAD),
        "torchaudio script": script("torchaudio_script", read_arrays),
        "lhotse, lilcom": script("lhotse_script", read_lhotse, "--lilcom"),
        "lhotse, plain files": script("lhotse_script", read_lhotse),
    }
    missing = {}
    for package, why in absent("librosa", "torchaudio", "lhotse", "lilcom").items():
        # Lhotse's scripts compute their features with torchaudio.
        dependents = ("torchaudio", "lhotse") if package == "torchaudio" else (package,)
        for name in [name for name in scripts if any(dependent in name for dependent in dependents)]:
            missing[name] = f"{package} is {why}"
            del scripts[name]
    return scripts, missing


def _format_case(tracks: TrackFolder, ours: FeaturizeCommand, timer: PartTimer) -> Case:
    """Return a case of our command for another format, compared with decoding alone."""
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name=f"30 s {tracks.kind} → 10 s float16 Zarr on disk, 2 workers, start-up aside",
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours", result=lambda: None),
            timer.contender("decoding alone", tracks, amount, ("decode", "to_wave")),
            timer.contender("decoding and log-mel alone", tracks, amount, ("decode", "to_wave", "log_mel")),
        ],
        targets=[Target("decoding alone", 0.9)],
        seconds=0,
        min_rounds=ours.rounds,
        memory="",
        note="decoding is to mono samples at the rate of the features, by soundfile and soxr; the second "
        "floor is the limit while the same processes also compute the features",
    )


def _format_row(tracks: TrackFolder, ours: FeaturizeCommand, timer: PartTimer) -> list[str]:
    """Return the processor times of the parts and of the command, and their shares, for a measured format."""
    parts = timer.parts(tracks, ("decode", "to_wave", "log_mel"))
    decoding, total = parts["decode"] + parts["to_wave"], ours.cpu_per_track
    both = decoding + parts["log_mel"]
    times = [f"{1e3 * seconds:.1f}" for seconds in (decoding, parts["log_mel"], total)]
    return [tracks.kind, *times, f"{decoding / total:.0%}", f"{both / total:.0%}"]


def _format_table(rows: Sequence[Sequence[str]]) -> Table:
    return Table(
        name="30 s tracks of other formats, by processor time, start-up aside",
        head=[
            "format",
            "decoding, ms per track",
            "log-mel",
            "audiospec",
            "share of decoding",
            "share of both",
        ],
        rows=rows,
        note="from the runs above; the rest of the pipeline takes what decoding and log-mel do not",
    )


def _device_case(
    setup: Setup, tracks: TrackFolder, sizes: tuple[int, int], timer: PartTimer
) -> Case | NotRun:
    """Return a case of our command with features on a device, so that the processors only decode."""
    import torch

    name = f"30 s WAV → 10 s float16 Zarr on disk, 2 workers, features on {setup.device}"
    if not setup.device.startswith("cuda") or not torch.cuda.is_available():
        return NotRun(name, f"there is no CUDA device {setup.device!r}")
    ours = audiospec_command(setup, tracks, sizes, "--device", setup.device)
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name=name,
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours", result=lambda: None),
            timer.contender("decoding alone", tracks, amount, ("decode", "to_wave")),
        ],
        targets=[Target("decoding alone", 0.80)],
        seconds=0,
        min_rounds=ours.rounds,
        memory="",
    )


def cpu_time_table(ours: FeaturizeCommand, peers: Mapping[str, FeaturizeCommand]) -> Table:
    """Return the processor times of the runs of the WAV case, and our share of that of backend fft."""
    fft = peers.get(FFT)
    share = None if fft is None else ours.cpu_per_track / fft.cpu_per_track
    rows = [
        [name, f"{1e3 * command.cpu_per_track:.1f}", f"{command.cpu_per_track / ours.cpu_per_track:.3g}×"]
        for name, command in {"audiospec": ours, **peers}.items()
    ]
    return Table(
        name="30 s WAV → 10 s float16 Zarr on disk, by processor time, start-up aside",
        head=["contender", "core ms per track", "over ours"],
        rows=rows,
        targets=[target_result("processor time per track over that of backend fft", share, MAX_SHARE_OF_FFT)],
        note="from the runs above; on a busy machine processor time is more reliable than wall-clock time",
    )


def _parts_table(tracks: TrackFolder, ours: FeaturizeCommand, timer: PartTimer) -> Table:
    """Return the processor time of each part alone, and that of our own runs."""
    steps = ("read", "hash", "decode", "to_wave", "log_mel", "checksum", "write")
    parts = timer.parts(tracks, (*steps, "fft"))
    total, parts_sum = ours.cpu_per_track, sum(parts[step] for step in steps)
    floor = sum(parts[step] for step in ("decode", "fft", "write"))
    rows = {
        "raw read of the file": parts["read"],
        "hash of its bytes": parts["hash"],
        "soundfile alone, to 16-bit integers": parts["decode"],
        "to float32": parts["to_wave"],
        "log-mel, as float16": parts["log_mel"],
        "MKL's FFT alone, in place of log-mel": parts["fft"],
        "checksum": parts["checksum"],
        "plain write": parts["write"],
        "sum, without the FFT": parts_sum,
        "audiospec, all its processes, without start-up": total,
        "… more than the sum": total - parts_sum,
        "floor: soundfile, the FFT and the write": floor,
    }
    return Table(
        name="where the time of a 30 s WAV track goes",
        head=["part", "core ms per track"],
        rows=[[name, f"{1e3 * seconds:.2f}"] for name, seconds in rows.items()],
        note=(
            f"processor time with two processes at once; the floor is {floor / total:.0%} of that of "
            f"audiospec, the sum of its parts {parts_sum / total:.0%}"
        ),
    )


def _memory_table(ours: FeaturizeCommand) -> Table | NotRun:
    """Return the peak memory for a small and for a large folder."""
    name = "memory of audiospec featurize, 2 workers"
    if not can_watch_children():
        return NotRun(name, "the memory of processes cannot be measured: needs Linux and psutil")
    peaks = []
    for count in MEMORY_TRACKS:
        with watch_children() as peak:
            ours.run(count)
        peaks.append(peak.total_bytes)
    return Table(
        name=name,
        head=["tracks", "peak"],
        rows=[[count, format_size(peak)] for count, peak in zip(MEMORY_TRACKS, peaks, strict=True)],
        targets=[
            target_result("peak of the large folder", peaks[-1], MAX_MEMORY, "bytes"),
            target_result("peak of the large folder over that of the small one", peaks[-1] / peaks[0], 1.1),
        ],
        note="of all its processes; shared memory counts once",
    )
