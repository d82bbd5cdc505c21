"""Plant duplicates in real audio: copies of tracks, changed in stated ways, with the table of what is true.

Some tracks, drawn from the seed, get a duplicate of each kind; the variants of a kind take turns. The other
tracks are innocent. The same seed and tracks give the same files.

    python -m benchmarks.studies.planted --data ../shared/data/gtzan-part/genres --out planted
    audiospec featurize folder --data planted/audio --store planted.zarr

``planted/truth.csv`` has a row for each planted duplicate: the two files, their kind and strength.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import soundfile

from audiospec.benchmarks.studies.changes import (
    Change,
    Samples,
    clipped,
    faster,
    first_part,
    gain,
    looped,
    noisy,
    remastered,
    resampled,
    same,
    shifted_far,
    shifted_into_noise,
    shifted_onward,
    trimmed,
)

#: Share of the tracks that get duplicates.
SHARE = 0.75
#: Seconds of a copy that are not digital silence; without them, there is nothing to find.
LEAST_SOUND = 1.0
_MP3 = ("mp3", "MPEG_LAYER_III")


@dataclass(frozen=True)
class Variant:
    """A way to make a duplicate.

    Attributes
    ----------
    name : str
        Part of the copy's file name.
    strength : str
        What differs from the source, and by how much.
    change : callable or None
        None: the file is copied.
    suffix, subtype : str
        Format of the copy, as soundfile names it. An empty suffix: FLAC, or WAV if the source is FLAC.
    rate : int
        Of the copy in Hz; 0: that of the source.
    kbits : int
        Bit rate of an MP3 in kbit/s.
    tags : bool
        Whether the copy has a title and an artist.
    """

    name: str
    strength: str
    change: Change | None = None
    suffix: str = "flac"
    subtype: str = "PCM_16"
    rate: int = 0
    kbits: int = 0
    tags: bool = False


#: Kind of duplicate → its variants.
KINDS: dict[str, tuple[Variant, ...]] = {
    "exact": (
        Variant("copy", "the same file under another name"),
        Variant("container", "the same samples in another container, with tags", same(), "", tags=True),
    ),
    "re-encoded": (
        Variant("mp3-128", "MP3 at 128 kbit/s", same(), *_MP3, kbits=128),
        Variant("mp3-64", "MP3 at 64 kbit/s, -6 dB", gain(-6), *_MP3, kbits=64),
        Variant("ogg", "Ogg Vorbis", same(), "ogg", "VORBIS"),
    ),
    "level": (
        Variant("quiet", "-12 dB", gain(-12)),
        Variant("clipped", "clipped at 6 dB below its peak", clipped(6)),
    ),
    "resampled": (
        Variant("44k", "to 44.1 kHz", resampled(44_100), rate=44_100),
        Variant("16k", "to 16 kHz", resampled(16_000), rate=16_000),
        Variant("8k", "to 8 kHz, nothing above 4 kHz", resampled(8_000), rate=8_000),
    ),
    "trimmed": (
        Variant("end", "without its first third", trimmed(1 / 3, 1)),
        Variant("start", "without its last third", trimmed(0, 2 / 3)),
    ),
    "shifted": (
        Variant("noise", "0.37 to 5 s later, the end noise", shifted_into_noise()),
        Variant("onward", "0.37 to 5 s later, the end what follows", shifted_onward()),
    ),
    "loop": (Variant("loop", "4 s, at most two fifths, repeated", looped(4)),),
    "remaster": (
        Variant("light", "+1 dB an octave, compressed 2:1, noise at -50 dB", remastered(1, 2, -50)),
        Variant("strong", "-2 dB an octave, compressed 4:1, noise at -40 dB", remastered(-2, 4, -40)),
    ),
}
#: Kinds that lie beyond what is asked of a search for duplicates, to see where it ends.
LIMITS: dict[str, tuple[Variant, ...]] = {
    "re-encoded": (
        Variant("mp3-32", "MP3 at 32 kbit/s", same(), *_MP3, kbits=32),
        Variant("mp3-16", "MP3 at 16 kbit/s", same(), *_MP3, kbits=16),
    ),
    "resampled": (
        Variant("4k", "to 4 kHz, nothing above 2 kHz", resampled(4_000), rate=4_000),
        Variant("2k", "to 2 kHz, nothing above 1 kHz", resampled(2_000), rate=2_000),
    ),
    "trimmed": (
        Variant("sixth", "5 of 30 s", trimmed(1 / 2, 2 / 3)),
        Variant("fifteenth", "2 of 30 s", trimmed(1 / 2, 17 / 30)),
    ),
    "shifted": (
        Variant("half", "15 s later, the end noise", shifted_far(1 / 2)),
        Variant("far", "25 s later, the end noise", shifted_far(5 / 6)),
    ),
    "loop": (Variant("loop-2", "2 s repeated", looped(2)), Variant("loop-1", "1 s repeated", looped(1))),
    "remaster": (
        Variant("noise-0", "noise at 0 dB", noisy(0)),
        Variant("noise-12", "noise at 12 dB", noisy(12)),
    ),
    "speed": (Variant("speed-1", "1 % faster", faster(1)), Variant("speed-4", "4 % faster", faster(4))),
}


@dataclass(frozen=True)
class Planted:
    """Two files that hold the same sound.

    Attributes
    ----------
    first, second : str
        Paths below the folder of audio; `second` is the copy.
    kind, variant, strength : str
        From `KINDS` or `LIMITS`.
    start : float
        Second of `first` that `second` begins at.
    """

    first: str
    second: str
    kind: str
    variant: str
    strength: str
    start: float


def source_of(path: str) -> str:
    """Return the track that a file is, or was made of: its name up to the first ``+``, with its folder."""
    return path.rpartition(".")[0].partition("+")[0]


def plant(
    tracks: Iterable[Path],
    folder: Path,
    *,
    seed: int = 0,
    share: float = SHARE,
    kinds: Mapping[str, Sequence[Variant]] = KINDS,
) -> list[Planted]:
    """Write tracks and duplicates of some of them.

    Parameters
    ----------
    tracks : iterable of Path
        ``LABEL/FILE``, one channel. Those that cannot be decoded are left out.
    folder : Path
        Gets ``audio``, which must not exist yet, with a folder a label, and ``truth.csv``.
    seed : int
        Draws the sources, and what is random in the copies.
    share : float
        Of the tracks that get duplicates.
    kinds : mapping
        Kind → variants, as `KINDS`.

    Returns
    -------
    list of Planted
        The rows of ``truth.csv``.
    """
    audio = folder / "audio"
    audio.mkdir(parents=True)
    readable = [path for path in sorted(tracks) if is_sound(path)]
    for path in readable:
        (audio / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, audio / path.parent.name / path.name)
    drawn = np.random.default_rng(seed).permutation(len(readable))[: round(share * len(readable))]
    planted = []
    for turn, number in enumerate(drawn):
        for place, (kind, ways) in enumerate(kinds.items()):
            source = readable[number]
            variants = [one for one in ways if not one.tags or soundfile.info(source).subtype == "PCM_16"]
            variant = variants[turn % len(variants)]
            rng = np.random.default_rng([seed, int(number), place])
            row = _copy(source, audio, kind, variant, rng)
            if row is not None:
                planted.append(row)
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Planted)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in planted)
    return planted


def is_sound(path: Path) -> bool:
    """Return whether a file can be decoded and has samples."""
    try:
        return bool(soundfile.info(path).frames)
    except soundfile.LibsndfileError:
        return False


def _copy(source: Path, audio: Path, kind: str, variant: Variant, rng: np.random.Generator) -> Planted | None:
    """Write one duplicate; None if it would have less than `LEAST_SOUND`."""
    folder = Path(source.parent.name)
    first, start = folder / source.name, 0.0
    suffix = variant.suffix or ("wav" if source.suffix == ".flac" else "flac")
    second = folder / f"{source.stem}+{variant.name}.{suffix}"
    if variant.change is None:
        second = second.with_suffix(source.suffix)
        shutil.copyfile(source, audio / second)
    else:
        wave, rate = soundfile.read(source)
        copy, sample = variant.change(wave, rate, rng)
        if np.count_nonzero(copy) < LEAST_SOUND * (variant.rate or rate):
            return None
        start = sample / rate
        if variant.name == "onward":
            first = folder / f"{source.stem}+first.flac"
            _write(audio / first, wave[: first_part(len(wave))], rate, variant)
        _write(audio / second, copy, variant.rate or rate, variant)
    return Planted(first.as_posix(), second.as_posix(), kind, variant.name, variant.strength, start)


def _write(path: Path, wave: Samples, rate: int, variant: Variant) -> None:
    """Write a wave in the format of a variant; 16-bit samples that were read are written as they were."""
    options = {}
    if variant.kbits:
        # libsndfile's compression level spans the bit rates of MPEG-1, or of MPEG-2 below 32 kHz.
        least, most = (32, 320) if rate >= 32_000 else (8, 160)
        options = {
            "bitrate_mode": "CONSTANT",
            "compression_level": (most - variant.kbits) / (most - least),
        }
    with soundfile.SoundFile(
        path, "w", rate, 1, variant.subtype, format=path.suffix[1:].upper(), **options
    ) as file:
        if variant.tags:
            file.title, file.artist = path.stem, "unknown"
        # libsndfile's Vorbis encoder fails on large blocks.
        for begin in range(0, len(wave), 65_536):
            file.write(wave[begin : begin + 65_536])


def main() -> None:
    """Plant duplicates in a folder of folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/gtzan-part/genres"))
    parser.add_argument("--out", type=Path, default=Path("planted"), help="a new folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tracks", type=int, help="only so many, of all labels")
    options = parser.parse_args()
    tracks = sorted(options.data.glob("*/*"))
    step = max(1, len(tracks) // (options.tracks or len(tracks)))
    planted = plant(tracks[::step], options.out, seed=options.seed)
    print(f"{len(planted)} duplicates in {options.out}: see {options.out / 'truth.csv'}")


if __name__ == "__main__":
    main()
