"""demo: music-like audio in ten invented genres, synthesised locally from a seed.

A genre is a range of tempo, metre, register, scale, timbre, attack and drums. The ranges overlap,
and some tracks take two of these traits from another genre, so no model can classify every track.
Each artist has a characteristic waveform, room and equaliser, which are easier to recognise than the
genre. So, as with real music, a split that separates the tracks of an artist scores too high.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audiospec.datasets.base import Dataset, datasets, require_range
from audiospec.datasets.own.search import not_found
from audiospec.datasets.synthesis.wav import is_complete, write_wav
from audiospec.errors import DatasetError
from audiospec.files import filled
from audiospec.manifest import Manifest, Track
from audiospec.storage.data_folder import data_folder
from audiospec.storage.location import Location, local

RATE = 22050
"""Sample rate in Hz."""

ARTISTS = 4
"""Artists in each genre; track number N is by artist N modulo this."""

# Part of the folder's name: increase it if the synthesis changes, so that old files are not reused.
_VERSION = 1

_TABLE = 2048  # samples in one period of a waveform
_HARMONICS = 24
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_BLUES, _DORIAN = (0, 3, 4, 5, 7, 9, 10), (0, 2, 3, 5, 7, 9, 10)
_PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 0, 4), (0, 0, 3, 4), (0, 6, 5, 4))

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Style:
    """The centre of a genre, around which its artists and tracks vary.

    Attributes
    ----------
    tempo : float
        Beats per minute.
    metre : int
        Beats in a bar.
    register : float
        Middle of the melody, as a MIDI note.
    scale : tuple of int
        Seven semitones above the key note.
    rolloff : float
        A harmonic's amplitude is its number to the power of minus this; a small value sounds bright.
    even : float
        Level of the even harmonics, 0 to 1; a small value sounds hollow, like a clarinet.
    attack, decay : float
        Rise and decay time of a note in seconds.
    drums : float
        Probability of a hit on each half beat, 0 to 1.
    swing : float
        Delay of every second half beat, as a share of a beat.
    """

    tempo: float
    metre: int
    register: float
    scale: tuple[int, ...]
    rolloff: float
    even: float
    attack: float
    decay: float
    drums: float
    swing: float


STYLES = {
    "drift": Style(92, 4, 62, _DORIAN, 1.5, 0.5, 0.12, 1.2, 0.25, 0.05),
    "drone": Style(66, 4, 48, _MINOR, 1.3, 0.9, 0.30, 2.5, 0.06, 0.0),
    "hymn": Style(76, 4, 59, _MAJOR, 1.2, 0.25, 0.10, 2.2, 0.04, 0.0),
    "lullaby": Style(84, 3, 74, _MAJOR, 2.6, 0.6, 0.04, 0.9, 0.04, 0.0),
    "march": Style(116, 4, 67, _MAJOR, 0.8, 1.0, 0.03, 0.7, 0.55, 0.0),
    "pulse": Style(134, 4, 54, _MINOR, 0.7, 0.1, 0.01, 0.25, 0.85, 0.0),
    "reel": Style(165, 4, 77, _MAJOR, 1.1, 0.9, 0.01, 0.3, 0.25, 0.05),
    "shuffle": Style(108, 4, 60, _BLUES, 1.3, 0.2, 0.02, 0.45, 0.60, 0.18),
    "stomp": Style(122, 4, 47, _BLUES, 0.6, 0.8, 0.01, 0.6, 0.92, 0.04),
    "waltz": Style(150, 3, 69, _MAJOR, 1.6, 0.3, 0.04, 0.6, 0.15, 0.0),
}
"""The genres by name."""


@datasets.register
class Demo(Dataset):
    """Ten invented genres: 16-bit mono WAV files at 22050 Hz, made if they are missing.

    The files are in a folder under `data` that is named after the seed and the length, so that files
    of different parameters do not mix. The id is ``GENRE.NNNNN``; the group is the artist, of which
    each genre has four.

    Parameters
    ----------
    data : path or None
        Folder to write to and read from. None: ``demo`` in the data folder of the machine.
    seed : int
        Seed of all random choices; 0 or more.
    tracks : int
        Tracks in each genre, 1 to 99999. A smaller number gives the first tracks of a larger one.
    seconds : float
        Mean length of a track in seconds, 1 to 600; each is up to a quarter shorter or longer.

    Raises
    ------
    DatasetError
        A parameter is outside its range.
    """

    citation = "audiospec: synthesised music-like audio for trying things out"
    group_noun = "artists"
    licence = "CC0"
    layout = "a folder to write to"

    def __init__(
        self,
        data: Location | str | None = None,
        *,
        seed: int = 0,
        tracks: int = 8,
        seconds: float = 8.0,
    ) -> None:
        super().__init__(data)
        self._folder = None if self.data is None else local(self.data, "dataset 'demo'")
        for name, value, low, high in (
            ("seed", seed, 0, 2**63),
            ("tracks", tracks, 1, 99_999),
            ("seconds", seconds, 1, 600),
        ):
            require_range(name, value, low, high)
        self.seed, self.tracks, self.seconds = seed, tracks, float(seconds)
        self.expected = dict.fromkeys(STYLES, tracks)

    @property
    def root(self) -> Path:
        """Folder of the tracks."""
        folder = data_folder() / "demo" if self._folder is None else self._folder
        return folder / f"v{_VERSION}-seed{self.seed}-{self.seconds:g}s"

    def is_here(self) -> bool:
        """Whether any of the tracks have been made."""
        return filled(self.root)

    def manifest(self) -> Manifest:
        """Make the tracks that are missing or incomplete and return all, sorted by id.

        Raises
        ------
        DatasetError
            The folder cannot be written.
        """
        root, data = self.root, self.root.parent
        tracks = []
        try:
            for label in STYLES:
                (root / label).mkdir(parents=True, exist_ok=True)
                for number in range(self.tracks):
                    id = f"{label}.{number:05d}"
                    path = f"{label}/{id}.wav"
                    self._make(root / path, label, number)
                    group = f"{label}-{number % ARTISTS}"
                    tracks.append(Track(id=id, path=path, label=label, group=group))
        except OSError as error:
            is_file = os.path.isfile(data)
            problem = not_found(data) if is_file else f"cannot write: {error.strerror or error}"
            raise DatasetError(f"dataset 'demo' expects {self.layout} at {data}: {problem}") from error
        return self.ordered(root, tracks)

    def _make(self, file: Path, label: str, number: int) -> None:
        """Write a track unless its file is complete."""
        key = [self.seed, list(STYLES).index(label)]
        rng = np.random.default_rng([*key, 1, number])
        samples = round(self.seconds * rng.uniform(0.75, 1.25) * RATE)
        if is_complete(file, samples):
            return
        artist = _Artist(np.random.default_rng([*key, 0, number % ARTISTS]))
        write_wav(file, _compose(STYLES[label], artist, samples, rng), RATE)


class _Artist:
    """Properties that all tracks of an artist share: waveform, habits, equaliser and room."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.harmonics = rng.lognormal(0.0, 0.6, _HARMONICS)
        self.vibrato = rng.uniform(0.0, 0.004), rng.uniform(4.0, 7.0)
        self.tempo, self.register = rng.lognormal(0.0, 0.06), rng.normal(0.0, 1.5)
        self.progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
        self.formants = rng.uniform(300.0, 5000.0, 3), rng.uniform(-6.0, 6.0, 3)
        self.tilt = rng.uniform(-3.0, 0.0)
        self.balance = rng.uniform(0.5, 1.2, 4)
        self.room, self.wet = rng.uniform(0.15, 1.2), rng.uniform(0.05, 0.5)
        self.room_seed = int(rng.integers(2**32))


def _compose(style: Style, artist: _Artist, samples: int, rng: np.random.Generator) -> Samples:
    """Synthesise one track of a genre by an artist: float32 of shape (samples,), from -1 to 1."""
    style = _varied(style, artist, rng)
    beat = 60.0 / style.tempo
    beats = int(samples / RATE / beat) + 1
    key = round(style.register + rng.uniform(-5, 6))
    plucked = style.attack < 0.1
    voice = _Voice(style, artist, samples)
    melody, chords, bass, drums = (np.zeros(samples + RATE, np.float32) for _ in range(4))

    def pitch(degree: int) -> int:
        octave, step = divmod(degree, 7)
        return key + 12 * octave + style.scale[step]

    def when(half: int) -> float:
        late = style.swing if half % 2 else 0.0
        return (half / 2 + late) * beat

    degree, half = 0, 0
    while half < 2 * beats:
        length = int(rng.choice([1, 2, 2, 4]))
        degree = int(np.clip(degree + rng.integers(-3, 4), -5, 9))
        if rng.random() < 0.9:
            voice.play(melody, when(half), pitch(degree), length * beat / 2)
        half += length
    # If plucked, a bass note on the first beat and chords on the others, else both for the whole bar.
    hold = 0.9 * beat if plucked else style.metre * beat
    for count in range(beats):
        bar, place = divmod(count, style.metre)
        root = artist.progression[bar % len(artist.progression)]
        if place == 0:
            voice.play(bass, when(2 * count), pitch(root) - 24, hold)
        if plucked == (place > 0):
            for step in (0, 2, 4):
                voice.play(chords, when(2 * count), pitch(root + step) - 12, hold)
    for half in range(2 * beats):
        place = half % (2 * style.metre)
        if rng.random() < style.drums * (1.0 if place else 1.5):
            _hit(drums, when(half), place, rng)

    mix = np.zeros(samples, np.float32)
    for gain, balance, part in zip(
        (1.0, 0.5, 0.8, 2.0), artist.balance, (melody, chords, bass, drums), strict=True
    ):
        mix += np.float32(gain * balance) * part[:samples]
    return _recorded(mix, artist, rng)


def _varied(style: Style, artist: _Artist, rng: np.random.Generator) -> Style:
    """Vary a style for one track of an artist; a quarter of tracks take two traits of another genre."""
    if rng.random() < 0.25:
        donor = list(STYLES.values())[rng.integers(len(STYLES))]
        traits = rng.choice([field.name for field in fields(Style)], 2, replace=False)
        style = replace(style, **{trait: getattr(donor, trait) for trait in map(str, traits)})
    odds = style.drums / (1 - style.drums) * rng.lognormal(0.0, 0.7)
    return replace(
        style,
        tempo=style.tempo * artist.tempo * rng.lognormal(0.0, 0.08),
        register=style.register + artist.register + rng.normal(0.0, 2.0),
        rolloff=max(0.5, style.rolloff + rng.normal(0.0, 0.2)),
        attack=style.attack * rng.lognormal(0.0, 0.4),
        decay=style.decay * rng.lognormal(0.0, 0.3),
        drums=odds / (1 + odds),
    )


class _Voice:
    """An instrument: one waveform with one envelope, played at any pitch."""

    def __init__(self, style: Style, artist: _Artist, samples: int) -> None:
        number = np.arange(1, _HARMONICS + 1)
        self.weights = artist.harmonics / number**style.rolloff
        self.weights[1::2] *= style.even
        self.weights /= np.abs(self.weights).sum()
        time = np.arange(samples + RATE, dtype=np.float32) / RATE
        depth, speed = artist.vibrato
        wobble = np.sin(np.float32(2 * np.pi * speed) * time)
        self.time = time + np.float32(depth / speed / 6) * wobble
        self.envelope = np.minimum(time / np.float32(style.attack), 1) * np.exp(-time / style.decay)
        self.release = np.linspace(1, 0, 600, dtype=np.float32)

    def play(self, out: Samples, start: float, note: float, seconds: float) -> None:
        """Add a note (MIDI number) to `out` from `start` seconds on."""
        first, count = round(start * RATE), round(seconds * RATE)
        count = min(count, len(out) - first)
        if count < len(self.release):
            return
        hertz = 440.0 * 2 ** ((note - 69) / 12)
        audible = min(_HARMONICS, int(RATE / 2 / hertz))
        spectrum = np.zeros(_TABLE // 2 + 1, np.complex64)
        spectrum[1 : audible + 1] = -0.5j * _TABLE * self.weights[:audible]
        table = np.fft.irfft(spectrum).astype(np.float32)
        phase = (self.time[:count] * np.float32(hertz * _TABLE)).astype(np.int64) % _TABLE
        sound = table[phase] * self.envelope[:count]
        sound[-len(self.release) :] *= self.release
        out[first : first + count] += sound


def _hit(out: Samples, start: float, place: int, rng: np.random.Generator) -> None:
    """Add a drum to `out`: a bass drum on a bar's first beat, else a snare on beats and a hat between."""
    first = round(start * RATE)
    count = min(RATE // 5, len(out) - first)
    if count <= 0:
        return
    time = np.arange(count, dtype=np.float32) / RATE
    noise = rng.standard_normal(count, dtype=np.float32)
    if place == 0:
        sweep = 54 * (1 - np.exp(-time / 0.03)) + 300 * time
        sound = np.sin(sweep) * np.exp(-time / 0.08)
    elif place % 2 == 0:
        sound = (0.3 * noise + 0.4 * np.sin(1130 * time)) * np.exp(-time / 0.05)
    else:
        sound = 0.2 * np.diff(noise, prepend=np.float32(0)) * np.exp(-time / 0.02)
    out[first : first + count] += (0.12 * rng.uniform(0.6, 1.0) * sound).astype(np.float32)


def _recorded(dry: Samples, artist: _Artist, rng: np.random.Generator) -> Samples:
    """Apply the artist's equaliser and room, and a random noise floor and level."""
    count = len(dry)
    size = 1 << (count + RATE).bit_length()
    tail = np.arange(RATE) / RATE
    echo = np.random.default_rng(artist.room_seed).standard_normal(RATE)
    echo *= np.exp(-6.9 * tail / artist.room)  # falls by 60 dB in `room` seconds
    echo *= artist.wet / np.sqrt((echo**2).sum())
    echo[0] += 1.0
    octave = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20.0) / 1000.0)
    curve = artist.tilt * octave
    for hertz, gain in zip(*artist.formants, strict=True):
        curve += gain * np.exp(-((octave - np.log2(hertz / 1000.0)) ** 2) / 0.1)
    spectrum = np.fft.rfft(dry, size) * np.fft.rfft(echo, size) * 10 ** (curve / 20)
    sound = np.fft.irfft(spectrum, size)[:count]
    floor = np.sqrt((sound**2).mean()) * 10 ** (-rng.uniform(22.0, 45.0) / 20)
    sound += floor * rng.standard_normal(count)
    level = 10 ** (-rng.uniform(0.5, 12.0) / 20)
    return (sound * (level / max(float(np.abs(sound).max()), 1e-9))).astype(np.float32)
