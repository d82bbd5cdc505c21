"""TabularSpec: statistics over a chunk, one number per column."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from audiospec.errors import SpecError, nearest
from audiospec.fields import shown
from audiospec.specs.base import MOST_WINDOW, FeatureSpec, Kind, require, require_samples
from audiospec.specs.mel import MelSpec

#: Most weights of chroma filters for one tuning; there are filters for 100 tunings.
MOST_CHROMA = 1 << 19


@dataclass(frozen=True, slots=True)
class Family:
    """Columns of a `TabularSpec` that are computed together.

    Attributes
    ----------
    formula : str
        What is computed for each frame (for `tempo`, once per chunk). X is the short-time Fourier transform,
        f the frequency of a bin in Hz, x the waveform.
    unit : str
        Unit of the value and of its mean; the unit of the variance is its square. FS: full scale is 1.
    """

    formula: str
    unit: str


#: The families of a `TabularSpec`, in the order of their columns.
FAMILIES: Mapping[str, Family] = types.MappingProxyType(
    {
        "chroma_stft": Family(
            "C |X|², each frame divided by its largest value; C: n_chroma Gaussian filters, one per pitch "
            "class, tuned to the chunk's spectral peaks. Over all pitch classes and frames",
            "",
        ),
        "rms": Family("sqrt(mean of x²)", "FS"),
        "spectral_centroid": Family("c = Σ f |X| / Σ |X|", "Hz"),
        "spectral_bandwidth": Family("sqrt(Σ (f - c)² |X| / Σ |X|)", "Hz"),
        "rolloff": Family("lowest f below which Σ |X| is roll_percent of the total", "Hz"),
        "zero_crossing_rate": Family("share of samples whose sign differs from the previous sample's", ""),
        "harmony": Family(
            "samples of the harmonic part: inverse transform of X H² / (H² + P²); H, P: running medians "
            "of |X| over kernel_size frames and bins",
            "FS",
        ),
        "perceptr": Family("samples of the percussive part: inverse transform of X P² / (H² + P²)", "FS"),
        "tempo": Family(
            "beats per minute: lag of the highest mean autocorrelation of the onset strength over 8 s, "
            "weighted by a normal distribution of log2(tempo / start_bpm)",
            "BPM",
        ),
        "mfcc": Family(
            "DCT-II (orthonormal) of n_mels mel bins in dB, limited to 80 dB below the chunk's peak; "
            "mfcc1 is the zeroth coefficient",
            "dB",
        ),
        "spectral_contrast": Family(
            "ratio in dB of the mean of the strongest 2 % of |X| to that of the weakest 2 %: below 200 Hz, "
            "then in n_bands octaves, the last without an upper limit",
            "dB",
        ),
        "spectral_flatness": Family("geometric mean of |X|² divided by its arithmetic mean", ""),
        "tonnetz": Family(
            "chroma, normalised to sum 1, on circles of fifths, minor and major thirds: sine, then cosine",
            "",
        ),
        "mfcc_delta": Family("slope of a line fitted to delta_width frames of each MFCC", "dB/frame"),
        "mfcc_delta2": Family("second derivative of a parabola fitted to the same frames", "dB/frame²"),
    }
)
#: The families of the published GTZAN tables: 57 columns.
PUBLISHED = tuple(FAMILIES)[:10]


@dataclass(frozen=True, kw_only=True)
class TabularSpec(FeatureSpec, feature="tabular"):
    """One number per column: means and variances over the frames of a chunk, and its tempo.

    The defaults give the 57 columns of the published GTZAN tables, with the same names and order, as librosa
    0.11 computes them with its defaults at 22050 Hz. `FAMILIES` defines each family of columns. Frames are
    centred and Hann-windowed. The chunk at the end of a track is not padded: its statistics are those of the
    remaining audio.

    Parameters
    ----------
    families : tuple of str
        Names from `FAMILIES`; ``"published"`` stands for the published ones, ``"all"`` for all. Text is split
        at commas. Columns are always in the order of `FAMILIES`.
    n_fft : int
        Length of the window in samples, for every family.
    hop_length : int
        Samples from one frame to the next, for every family.
    pad_mode : "constant" or "reflect"
        How the chunk is padded at its ends: with zeros, as in librosa since 0.9, or by reflection, as in
        earlier versions, which made the published tables.
    n_chroma : int
        Pitch classes per octave.
    n_mels : int
        Mel bins (Slaney's scale, up to half the sample rate) for MFCC and tempo.
    n_mfcc : int
        Number of MFCCs; at most n_mels.
    roll_percent : float
        Share of the magnitude below the rolloff frequency, between 0 and 1.
    kernel_size : int
        Odd length of the running medians that separate harmonic from percussive, in frames and in bins.
    start_bpm : float
        Centre of the prior distribution of the tempo, in beats per minute.
    n_bands : int
        Octaves of the spectral contrast; the highest must begin below half the sample rate.
    delta_width : int
        Odd number of frames, at least 3, to which a slope is fitted.

    Raises
    ------
    SpecError
        See `FeatureSpec`. Also for an unknown family, for float16 (whose maximum is 65504), and for
        parameters that leave a chosen family without a bin.
    """

    kind: ClassVar[Kind] = "table"
    pads: ClassVar[bool] = False

    dtype: Literal["float16", "float32", "uint8"] = "float32"
    families: tuple[str, ...] = PUBLISHED
    n_fft: int = 2048
    hop_length: int = 512
    pad_mode: Literal["constant", "reflect"] = "constant"
    n_chroma: int = 12
    n_mels: int = 128
    n_mfcc: int = 20
    roll_percent: float = 0.85
    kernel_size: int = 31
    start_bpm: float = 120.0
    n_bands: int = 6
    delta_width: int = 9

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        object.__setattr__(self, "families", _families(self.families))
        if self.dtype == "float16":
            raise SpecError(
                'a tabular spec needs dtype="float32"; got dtype="float16", whose range variances exceed',
                'give `dtype="float32"`',
            )
        require(self.n_fft >= 4 and self.n_fft % 2 == 0, "n_fft", "an even number, at least 4", self.n_fft)
        require(self.n_fft <= MOST_WINDOW, "n_fft", f"at most {MOST_WINDOW} samples", self.n_fft)
        require(
            1 <= self.hop_length <= self.n_fft,
            "hop_length",
            f"from 1 to n_fft ({self.n_fft})",
            self.hop_length,
        )
        require(self.n_chroma >= 1, "n_chroma", "at least 1", self.n_chroma)
        require(self.n_mels <= 4096, "n_mels", "at most 4096", self.n_mels)
        require(1 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"from 1 to n_mels ({self.n_mels})", self.n_mfcc)
        require(0 < self.roll_percent < 1, "roll_percent", "between 0 and 1", self.roll_percent)
        odd = self.kernel_size % 2 == 1 and 3 <= self.kernel_size <= 999
        require(odd, "kernel_size", "an odd number from 3 to 999", self.kernel_size)
        require(self.start_bpm > 0, "start_bpm", "above 0", self.start_bpm)
        odd = self.delta_width % 2 == 1 and 3 <= self.delta_width <= 999
        require(odd, "delta_width", "an odd number from 3 to 999", self.delta_width)
        require(1 <= self.n_bands <= 16, "n_bands", "from 1 to 16", self.n_bands)
        if not {"tempo", "mfcc", "mfcc_delta", "mfcc_delta2"}.isdisjoint(self.families):
            self.mel_spec()  # raises if a filter would be empty
        if not {"chroma_stft", "tonnetz"}.isdisjoint(self.families):
            most = MOST_CHROMA // (self.n_fft // 2 + 1)
            require(
                self.n_chroma <= most, "n_chroma", f"at most {most} for n_fft={self.n_fft}", self.n_chroma
            )
        if "tempo" in self.families:
            most = max(1, self.sample_rate // 2)  # leaves 16 lags in 8 s
            require(self.hop_length <= most, "hop_length", f"at most {most} for a tempo", self.hop_length)
        if not {"harmony", "perceptr"}.isdisjoint(self.families):
            half = self.n_fft // 2
            expected = f"at most half of n_fft ({half}) for harmony and perceptr"
            require(self.hop_length <= half, "hop_length", expected, self.hop_length)
        if "spectral_contrast" in self.families:
            top, nyquist = 200 * 2 ** (self.n_bands - 1), self.sample_rate / 2
            require(
                top < nyquist,
                "n_bands",
                f"small enough that the highest begins below {nyquist:g} Hz",
                self.n_bands,
            )
            least = math.ceil(self.sample_rate / 200)
            require(self.n_fft >= least, "n_fft", f"at least {least} for the spectral contrast", self.n_fft)

    def mel_spec(self) -> MelSpec:
        """Return the mel filters that MFCC and tempo are computed from."""
        return MelSpec(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            fmax=self.sample_rate / 2,
            mel_scale="slaney",
            pad_mode="constant",
        )

    def parts(self, family: str) -> list[str]:
        """Return the names of a family's values in one frame, such as ``["mfcc1", …]``."""
        counts = {"mfcc": self.n_mfcc, "spectral_contrast": self.n_bands + 1, "tonnetz": 6}
        stem, _, delta = family.partition("_delta")
        if stem in counts:
            end = f"_delta{delta}" if stem != family else ""
            return [f"{stem}{number}{end}" for number in range(1, counts[stem] + 1)]
        return [family]

    def columns_of(self, family: str) -> list[str]:
        """Return the names of a family's columns."""
        if family == "tempo":
            return ["tempo"]
        return [f"{part}_{statistic}" for part in self.parts(family) for statistic in ("mean", "var")]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column for family in self.families for column in self.columns_of(family))

    @property
    def least_samples(self) -> int:
        """1, or half a window and a sample if the chunk is reflected."""
        return 1 if self.pad_mode == "constant" else self.n_fft // 2 + 1

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: columns have different units, see `FAMILIES`."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(number of columns,)`` for a chunk of at least `least_samples`."""
        require_samples(samples, self.least_samples)
        return (len(self.columns),)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the names of the columns."""
        return {"feature": (list(self.columns), "")}


def _families(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named families in the order of `FAMILIES`, with ``published`` and ``all`` expanded."""
    chosen: set[str] = set()
    for name in names:
        if name not in (*FAMILIES, "published", "all"):
            choices = ["published", "all", *FAMILIES]
            listed = ", ".join(choices)
            raise SpecError(
                f"parameter families must be some of {listed}; got {shown(name)}{nearest(name[:99], choices)}"
            )
        chosen.update({"published": PUBLISHED, "all": tuple(FAMILIES)}.get(name, (name,)))
    require(bool(chosen), "families", "at least one name", names)
    return tuple(family for family in FAMILIES if family in chosen)
