"""MelSpec: how a log-mel spectrogram is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.specs.base import FeatureSpec, Kind, require
from audiospec.specs.byte_code import DecibelCode
from audiospec.specs.decibel_scale import reference_decibels
from audiospec.specs.mel_rules import PCEN, check
from audiospec.specs.mel_scale import Triangles, hz_to_mel, mel_to_hz
from audiospec.specs.rules import spectrogram_shape


@dataclass(frozen=True, kw_only=True)
class MelSpec(FeatureSpec, feature="mel"):
    """A log-mel spectrogram: frames → windowed Fourier transform → |X|^power → mel filters → logarithm.

    The defaults are those of the study: 22050 Hz, 192 mel bins up to 8000 Hz, hop 256 samples, a periodic
    Hann window of `n_fft` samples, decibels. The filters equal those of librosa and of nnAudio (Cheuk et
    al. 2020, IEEE Access, doi:10.1109/ACCESS.2020.3019084; Roy et al. 2026, arXiv:2606.05394).
    `audiospec.spec` has the spectrograms of other libraries and models by name.

    Parameters
    ----------
    n_fft : int
        Length of the Fourier transform in samples.
    hop_length : int
        Samples from one frame to the next.
    n_mels : int
        Number of mel bins.
    fmin, fmax : float
        Edges of the mel filters in Hz; 0 ≤ fmin < fmax ≤ sample_rate / 2.
    mel_scale : "htk" or "slaney"
        ``"htk"``: m = 2595 log10(1 + f / 700). ``"slaney"``: linear below 1 kHz (Auditory Toolbox).
    norm : "slaney" or None
        ``"slaney"``: each triangular filter has area 1 over Hz. None: each has height 1.
    power : float
        Exponent of the magnitude: 2 is power, 1 is magnitude.
    pad_mode : "reflect" or "constant"
        How the chunk is padded at its ends if `center`.
    center : bool
        Whether frame t is centred on sample t · hop_length, with its window in the middle of `n_fft` samples.
        If not, the window of frame t starts at sample t · hop_length, and zeros follow up to `n_fft` samples,
        as in Kaldi and TensorFlow.
    scale : "db", "ln", "log10", "log1p", "pcen" or "linear"
        What becomes of m, the output of a mel filter. With v = max(log_gain · m + log_offset, amin):
        ``"db"`` is 10 log10(v / ref), ``"ln"`` is ln v, ``"log10"`` is log10 v. ``"log1p"`` is
        ln(1 + log_gain · m). ``"pcen"`` is per-channel energy normalisation. ``"linear"`` is m itself, which
        needs float32.
    ref : float or "max"
        Value of v at 0 dB; ``"max"`` is the chunk's largest value.
    amin : float
        Lower limit of v.
    top_db : float or None
        If given, values are limited to at most this many dB below the chunk's peak, on any logarithmic scale.
    win_length : int or None
        Length of the window in samples, at most `n_fft`; None: `n_fft`.
    window : "hann", "hamming", "blackman", "povey" or "rectangular"
        The window; ``"povey"`` is a Hann window to the power of 0.85 (Kaldi).
    periodic : bool
        Whether the window is periodic, as librosa's and torch's are, or symmetric, as Kaldi's are.
    gain : float
        Samples are multiplied by this before anything else: 32768 gives those of 16-bit audio, as in Kaldi.
    dither : float
        Standard deviation of normal noise that is added to the samples after `gain`. The noise of a chunk is
        always the same, so a row depends on its chunk alone; 0 adds none.
    remove_dc : bool
        Whether the mean of each frame is subtracted from it, before `preemphasis` and the window.
    preemphasis : float
        c in x[n] - c · x[n - 1], within each frame; the first sample is multiplied by 1 - c (Kaldi). 0: none.
    filter_domain : "hz" or "mel"
        Where the sides of the triangular filters are straight: over Hz (librosa, torchaudio) or over the mel
        scale (Kaldi, TensorFlow, VGGish).
    allow_empty_filters : bool
        Whether a mel filter may contain no Fourier bin; its output is 0. Some published specs have such.
    log_gain, log_offset : float
        See `scale`.
    drop_last : bool
        Whether the last frame is left out, as Whisper does.
    mean, std : float
        At the end x becomes (x - mean) / std, with constants, such as those of a pretrained model's data.
    normalise : "none", "row" or "bin"
        ``"row"``: the values of a row get mean 0 and deviation 1. ``"bin"``: those of each of its mel bins.
        Deviations below 1e-5 count as 1e-5. The statistics of a whole dataset are the model's to fit, on
        training rows alone.
    pcen_gain, pcen_bias, pcen_power, pcen_time_constant, pcen_eps : float
        (m / (eps + M)^gain + bias)^power - bias^power, where M is m after a first-order low-pass filter with
        the time constant in seconds (V. Lostanlen et al., IEEE Signal Processing Letters 26(1), 2019;
        librosa's `pcen`, whose filter also starts as if m had been 1).

    Raises
    ------
    SpecError
        See `FeatureSpec`. Also if two parameters contradict each other, or if a mel filter is so narrow that
        it contains no Fourier bin.
    """

    kind: ClassVar[Kind] = "spectrogram"
    later: ClassVar[frozenset[str]] = FeatureSpec.later | {
        "win_length",
        "window",
        "periodic",
        "gain",
        "dither",
        "remove_dc",
        "preemphasis",
        "filter_domain",
        "allow_empty_filters",
        "log_gain",
        "log_offset",
        "drop_last",
        "mean",
        "std",
        "normalise",
        *PCEN,
    }

    n_fft: int = 2048
    hop_length: int = 256
    n_mels: int = 192
    fmin: float = 0.0
    fmax: float = 8000.0
    mel_scale: Literal["htk", "slaney"] = "htk"
    norm: Literal["slaney"] | None = "slaney"
    power: float = 2.0
    pad_mode: Literal["reflect", "constant"] = "reflect"
    center: bool = True
    scale: Literal["db", "linear", "ln", "log10", "log1p", "pcen"] = "db"
    ref: float | Literal["max"] = 1.0
    amin: float = 1e-10
    top_db: float | None = None
    win_length: int | None = None
    window: Literal["hann", "hamming", "blackman", "povey", "rectangular"] = "hann"
    periodic: bool = True
    gain: float = 1.0
    dither: float = 0.0
    remove_dc: bool = False
    preemphasis: float = 0.0
    filter_domain: Literal["hz", "mel"] = "hz"
    allow_empty_filters: bool = False
    log_gain: float = 1.0
    log_offset: float = 0.0
    drop_last: bool = False
    mean: float = 0.0
    std: float = 1.0
    normalise: Literal["none", "row", "bin"] = "none"
    pcen_gain: float = PCEN["pcen_gain"]
    pcen_bias: float = PCEN["pcen_bias"]
    pcen_power: float = PCEN["pcen_power"]
    pcen_time_constant: float = PCEN["pcen_time_constant"]
    pcen_eps: float = PCEN["pcen_eps"]

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        check(self)
        if self.dtype == "uint8":
            most = 10 ** (self._loudest() / 10)
            require(self.amin < most, "amin", f"below {most:g}, the largest possible value", self.amin)

    @property
    def window_samples(self) -> int:
        """Length of the window in samples: `win_length`, or `n_fft`."""
        return self.n_fft if self.win_length is None else self.win_length

    @property
    def has_plain_frames(self) -> bool:
        """Whether frames are samples times a periodic Hann window of `n_fft` samples."""
        plain_window = self.window == "hann" and self.periodic and self.window_samples == self.n_fft
        plain_samples = self.gain == 1 and not self.dither and not self.remove_dc and not self.preemphasis
        return plain_window and plain_samples

    @property
    def pcen_weight(self) -> float:
        """Weight of a new frame in PCEN's low-pass filter, from its time constant in frames."""
        frames = self.pcen_time_constant * self.sample_rate / self.hop_length
        return 2 / (math.sqrt(1 + 4 * frames**2) + 1)

    @cached_property
    def code(self) -> DecibelCode | None:
        """Decibels in one byte if `dtype` is ``"uint8"``, else None.

        The range is from `amin` to a bound on audio of twice full scale, as lossy decoders overshoot. With
        ref="max" it ends at 0 dB, and begins at -`top_db` if that is given.
        """
        if self.dtype != "uint8":
            return None
        silence = 10 * math.log10(max(self.amin, self.log_offset))
        reference = None if self.ref == "max" else reference_decibels(self, 10)
        return DecibelCode.of_levels(silence, self._loudest(), reference, self.top_db)

    def _loudest(self) -> float:
        """Return a bound in dB (relative to 1) on any mel bin of audio whose samples are within ±2.

        By Parseval's theorem, the sum of |X|² over the Fourier bins between 0 and half the sample rate, the
        only bins with weights, is at most half of n_fft Σ (window · x)², and a periodic Hann window has
        Σ window² = 3/8 n_fft. The maximum of Σ w |X|^power under this constraint follows from Hölder's
        inequality.
        """
        energy = 2**2 * 3 / 16 * self.n_fft**2
        if not self.has_plain_frames:
            # Without the mean of its frame, a sample may be twice as large; pre-emphasis adds its neighbour.
            # No window is above 1, and no normal noise above 8 deviations in 10^15 samples.
            largest = (2 * self.gain + 8 * self.dither) * (1 + self.remove_dc) * (1 + self.preemphasis)
            energy = largest**2 * self.n_fft * self.window_samples / 2
        decibels = 10.0 * math.log10(self.triangles.largest(self.power)) + 5 * self.power * math.log10(energy)
        if self.log_gain == 1 and self.log_offset == 0:
            return decibels
        return 10 * math.log10(self.log_gain * 10 ** (decibels / 10) + self.log_offset)

    @property
    def triangles(self) -> Triangles:
        """The mel filters."""
        straight_over = self.mel_scale if self.filter_domain == "mel" else "hz"
        bin_hz = self.sample_rate / self.n_fft
        return Triangles(self.mel_edges, bin_hz, self.norm == "slaney", straight_over)

    @property
    def mel_edges(self) -> list[float]:
        """The n_mels + 2 corner frequencies in Hz; filter i rises from [i] to [i + 1], falls to [i + 2]."""
        low, high = hz_to_mel(self.fmin, self.mel_scale), hz_to_mel(self.fmax, self.mel_scale)
        step = (high - low) / (self.n_mels + 1)
        return [mel_to_hz(low + i * step, self.mel_scale) for i in range(self.n_mels + 2)]

    @property
    def dims(self) -> tuple[str, ...]:
        """``("mel", "frame")``."""
        return ("mel", "frame")

    @property
    def unit(self) -> str:
        """``"dB"``, or ``""`` on another scale or if values are normalised."""
        plain = self.normalise == "none" and self.mean == 0 and self.std == 1
        return "dB" if self.scale == "db" and plain else ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(n_mels, frames)`` for a chunk of `samples` samples at `sample_rate`."""
        pad = self.n_fft // 2 if self.center else 0
        length = self.n_fft if self.center else self.window_samples
        # Reflection needs one sample more than it pads.
        least = max(pad + 1 if self.center and self.pad_mode == "reflect" else length - 2 * pad, 1)
        if self.drop_last:
            least = max(least, length - 2 * pad + self.hop_length)
        if samples < least:
            raise SpecError(
                f"a chunk of {samples} samples is too short for n_fft={self.n_fft} with "
                f"center={self.center}, pad_mode={self.pad_mode!r}; expected at least {least} samples",
                "lengthen the chunk or lower `n_fft`",
            )
        frames = 1 + (samples + 2 * pad - length) // self.hop_length - self.drop_last
        return spectrogram_shape(samples, self.n_mels, frames, "mel bins")

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the centre of each mel bin in Hz, and of each frame in seconds from the chunk's start."""
        first = 0.0 if self.center else self.window_samples / 2
        frames = [(first + t * self.hop_length) / self.sample_rate for t in range(self.row_shape(samples)[1])]
        return {"mel": (self.mel_edges[1:-1], "Hz"), "frame": (frames, "s")}
