"""The families of the tabular feature by compiled code, for one chunk at a time on a CPU in float32."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from audiospec.compiled import library as compiled
from audiospec.features.kernels.chroma import PEAK_THRESHOLD, peak_bins
from audiospec.features.kernels.families import AMIN, Chunks, contrast_bands, tempo_lags
from audiospec.features.kernels.mel_filters import mel_filters, sparse
from audiospec.features.kernels.network import median_network
from audiospec.features.kernels.windows import hann_window
from audiospec.specs.tabular import TabularSpec

#: Windows that the extension transforms, in samples: the powers of two between these.
SHORTEST, LONGEST = 64, 8192
#: Most lags that it correlates onsets at: two windows of as many values must fit such a transform.
MOST_LAGS = 2048
#: Which families need which parts of the extension's first pass, by its numbers.
PARTS = {
    1: {"mfcc", "mfcc_delta", "mfcc_delta2", "tempo"},  # mel bins
    2: {"chroma_stft", "tonnetz"},  # spectral peaks
    4: {"spectral_flatness"},
    8: {"spectral_contrast"},
    16: {"harmony", "perceptr"},  # running medians
}
#: Values that the extension may read, without using them, behind the last window that it correlates.
ROOM = 64
#: Rows of the first pass's values; the peaks of the contrast's bands follow, then the valleys.
CENTROID, BANDWIDTH, ROLLOFF, RMS, CROSSINGS, FLATNESS, CONTRAST = range(7)


class Analyser:
    """The extension's plan of a spec, and memory for each thread. Threads may share one.

    Parameters
    ----------
    spec : TabularSpec
        One for which `reason_unsupported` is ``""``.
    instruction_set : str
        One of this processor's; ``""`` selects the best.
    """

    def __init__(self, spec: TabularSpec, instruction_set: str = "") -> None:
        self.spec = spec
        self.instruction_set = instruction_set
        self.parts = sum(part for part, families in PARTS.items() if not families.isdisjoint(spec.families))
        filters = sparse(mel_filters(spec.mel_spec()) if self.parts & 1 else np.zeros((1, 1), np.float32))
        network = median_network(spec.kernel_size)
        bands = contrast_bands(spec) if self.parts & 8 else []
        low, high = peak_bins(spec)
        lags = tempo_lags(spec) if "tempo" in spec.families else 0
        self.lags = lags if lags <= MOST_LAGS else 0
        library = compiled.library()
        assert library is not None  # else `reason_unsupported` says so
        self.plan = library.Tabular(
            window=hann_window(spec.n_fft),
            starts=filters.starts,
            counts=filters.counts,
            weights=filters.weights,
            steps=network.exchanges(),
            bands=np.array(bands, np.int32).reshape(-1, 3),
            lag_window=hann_window(self.lags),
            size=network.size,
            tile=network.tile,
            places=network.places,
            hop_length=spec.hop_length,
            padding={"reflect": 1, "constant": 2}[spec.pad_mode],
            parts=self.parts,
            roll_percent=spec.roll_percent,
            amin=AMIN,
            low=low,
            high=high,
            peak_threshold=PEAK_THRESHOLD,
            spacing=spec.sample_rate / spec.n_fft,
            instruction_set=instruction_set,
        )
        self.rows = CONTRAST + 2 * len(bands)
        self._memory = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are made from the spec again: what the extension holds is no Python.
        return type(self), (self.spec, self.instruction_set)

    def scratch(self, samples: int, user: object) -> tuple[NDArray[np.uint8], bool]:
        """Return this thread's memory for a chunk of `samples` samples, and if `user` was its last user."""
        size = self.plan.scratch_bytes(samples)
        scratch: NDArray[np.uint8] | None = getattr(self._memory, "scratch", None)
        known = scratch is not None and self._memory.user is user
        if scratch is None or len(scratch) < size:
            scratch = self._memory.scratch = np.empty(size, np.uint8)
        self._memory.user = user
        return scratch, known


def reason_unsupported(spec: TabularSpec) -> str:
    """Return why the extension cannot compute a spec on this machine; ``""`` if it can."""
    if not SHORTEST <= spec.n_fft <= LONGEST or spec.n_fft.bit_count() != 1:
        return f"n_fft must be a power of 2 from {SHORTEST} to {LONGEST}; got {spec.n_fft}"
    return compiled.reason_missing()


class CompiledChunks(Chunks):
    """One chunk, whose spectra stay in the analyser's memory; what costs most is computed by the extension.

    Parameters
    ----------
    analyser : Analyser
    waves : Tensor, shape (1, samples), float32, on a CPU
    chroma_filters : Tensor, shape (tunings, n_chroma, bins)
    """

    def __init__(self, analyser: Analyser, waves: Tensor, chroma_filters: Tensor) -> None:
        super().__init__(analyser.spec, waves, waves.new_empty(0), chroma_filters)
        self.analyser = analyser
        self.wave: NDArray[np.float32] = np.require(waves[0].detach().numpy(), np.float32, ["C", "A"])
        self.count: int = analyser.plan.frames(len(self.wave))
        self.values = np.empty((analyser.rows, self.count), np.float32)
        self.mel_bins = np.empty((self.count, self.spec.n_mels if analyser.parts & 1 else 0), np.float32)
        peaks = analyser.plan.most_peaks(len(self.wave)) if analyser.parts & 2 else 0
        self.heights, self.pitches = np.empty((2, peaks), np.float32)
        self.found = 0
        self.user = object()
        self.spectra()

    def spectra(self) -> NDArray[np.uint8]:
        """Return this thread's memory with the chunk's spectra, which are computed if it has others."""
        scratch, known = self.analyser.scratch(len(self.wave), self.user)
        if not known:
            self.found = self.analyser.plan.analyse(
                self.wave, self.values, self.mel_bins, self.heights, self.pitches, scratch
            )
        return scratch

    def row(self, number: int) -> Tensor:
        """Return one value of each frame: (1, 1, frames)."""
        return torch.from_numpy(self.values[number])[None, None]

    def mel_decibels(self) -> Tensor:
        """Decibels of the mel bins (1, frames, n_mels), however weak."""
        return torch.from_numpy(self.mel_bins)[None]

    def filtered(self, filters: Tensor) -> Tensor:
        """Products (1, frames, n) of |X|² with filters (1, n, bins)."""
        products = np.empty((filters.shape[1], self.count), np.float32)
        self.analyser.plan.filter(len(self.wave), filters.contiguous().numpy(), products, self.spectra())
        return torch.from_numpy(products).T[None]

    def peaks(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the spectral peaks: the number of the chunk, the height and the pitch in Hz of each."""
        height, pitch = (torch.from_numpy(part[: self.found]) for part in (self.heights, self.pitches))
        return torch.zeros(len(height), dtype=torch.int64), height, pitch

    @cached_property
    def harmonic(self) -> Tensor:
        """Wave of the harmonic part (1, samples)."""
        harmonic = np.empty(len(self.wave), np.float32)
        self.analyser.plan.harmonic(harmonic, self.spectra())
        return torch.from_numpy(harmonic)[None]

    @cached_property
    def tempo_scratch(self) -> NDArray[np.uint8]:
        """Memory for `rises` and `correlation`."""
        return np.empty(self.analyser.plan.tempo_scratch_bytes(), np.uint8)

    def rises(self) -> Tensor:
        """Return the median rise (1, frames - 1) of the mel bins' decibels from one frame to the next."""
        rises = np.empty(self.count - 1, np.float32)
        self.analyser.plan.onsets(self.mel[0].contiguous().numpy(), rises, self.tempo_scratch)
        return torch.from_numpy(rises)[None]

    def correlation(self, values: Tensor, windows: int) -> Tensor:
        """Return the mean autocorrelation (1, lags) of values in the first windows, each 1 at lag 0."""
        if not self.analyser.lags:
            return super().correlation(values, windows)
        room = pad(values[0], (0, ROOM)).numpy()
        size = 1 << max(5, (2 * self.analyser.lags - 1).bit_length())
        spectrum = np.empty(size // 2 + 1)
        self.analyser.plan.correlate(room, windows, spectrum, self.tempo_scratch)
        return torch.from_numpy(np.fft.irfft(spectrum, size)[: self.analyser.lags])[None]

    def moments(self, values: Tensor) -> Tensor:
        """Mean and variance of values (1, parts, n): (1, 2 · parts), each part's mean before its variance."""
        moments = np.empty((values.shape[1], 2))
        library = compiled.library()
        assert library is not None  # this is its class
        library.moments(values.contiguous().numpy(), moments, self.analyser.instruction_set)
        return torch.from_numpy(moments).flatten()[None].to(values.dtype)

    def rms(self) -> Tensor:
        """Root of the mean square of each frame."""
        return self.row(RMS)

    def spectral_centroid(self) -> Tensor:
        """Centre of gravity of |X|."""
        return self.row(CENTROID)

    def spectral_bandwidth(self) -> Tensor:
        """Standard deviation of the frequency, weighted by |X|."""
        return self.row(BANDWIDTH)

    def zero_crossing_rate(self) -> Tensor:
        """Share of samples in each frame whose sign differs from the sample before."""
        return self.row(CROSSINGS)

    def rolloff(self) -> Tensor:
        """Lowest frequency below which `roll_percent` of the sum of |X| lies."""
        return self.row(ROLLOFF)

    def spectral_flatness(self) -> Tensor:
        """Geometric mean of |X|² divided by its arithmetic mean."""
        return self.row(FLATNESS)

    def extremes(self) -> tuple[Tensor, Tensor]:
        """Return the peaks and the valleys of the spectral contrast's bands, each (1, bands, frames)."""
        peaks, valleys = torch.from_numpy(self.values[CONTRAST:])[None].chunk(2, dim=1)
        return peaks, valleys
