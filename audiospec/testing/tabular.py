"""The columns of a `TabularSpec` computed with librosa, as the reference for our own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.specs.tabular import TabularSpec


def librosa_columns(wave: NDArray[np.float32], spec: TabularSpec) -> dict[str, float]:
    """Compute every column of a spec with librosa's public functions, each with its own Fourier transform.

    Parameters
    ----------
    wave : ndarray, shape (samples,), float32
        One chunk at the spec's rate.
    spec : TabularSpec

    Returns
    -------
    dict
        Column → value. Means and variances are computed in float64: numpy's float32 sums would be
        less accurate than the wave's samples.
    """
    import librosa

    frame: dict[str, Any] = {"frame_length": spec.n_fft, "hop_length": spec.hop_length}
    transform: dict[str, Any] = {
        "n_fft": spec.n_fft,
        "hop_length": spec.hop_length,
        "pad_mode": spec.pad_mode,
    }
    shared = {"sr": spec.sample_rate, **transform}
    columns: dict[str, float] = {}
    families = set(spec.families)

    def add(family: str, values: NDArray[np.floating]) -> None:
        for part, row in zip(spec.parts(family), np.atleast_2d(values), strict=True):
            columns[f"{part}_mean"] = float(np.mean(row, dtype=np.float64))
            columns[f"{part}_var"] = float(np.var(row, dtype=np.float64))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about chunks shorter than a window or without a pitch
        chroma = librosa.feature.chroma_stft(y=wave, n_chroma=spec.n_chroma, **shared)
        mfcc = librosa.feature.mfcc(y=wave, n_mfcc=spec.n_mfcc, n_mels=spec.n_mels, **shared)
        if "chroma_stft" in families:
            add("chroma_stft", chroma.ravel())
        if "rms" in families:
            add("rms", librosa.feature.rms(y=wave, pad_mode=spec.pad_mode, **frame))
        if "spectral_centroid" in families:
            add("spectral_centroid", librosa.feature.spectral_centroid(y=wave, **shared))
        if "spectral_bandwidth" in families:
            add("spectral_bandwidth", librosa.feature.spectral_bandwidth(y=wave, **shared))
        if "rolloff" in families:
            share = spec.roll_percent
            add("rolloff", librosa.feature.spectral_rolloff(y=wave, roll_percent=share, **shared))
        if "zero_crossing_rate" in families:
            add("zero_crossing_rate", librosa.feature.zero_crossing_rate(wave, **frame))
        if not families.isdisjoint({"harmony", "perceptr"}):
            harmony, perceptr = librosa.effects.hpss(wave, kernel_size=spec.kernel_size, **transform)
            if "harmony" in families:
                add("harmony", harmony)
            if "perceptr" in families:
                add("perceptr", perceptr)
        if "tempo" in families:
            onsets = librosa.onset.onset_strength(y=wave, aggregate=np.median, n_mels=spec.n_mels, **shared)
            tempo, _ = librosa.beat.beat_track(
                onset_envelope=onsets,
                sr=spec.sample_rate,
                hop_length=spec.hop_length,
                start_bpm=spec.start_bpm,
            )
            columns["tempo"] = float(np.atleast_1d(tempo)[0])
        if "mfcc" in families:
            add("mfcc", mfcc)
        if "spectral_contrast" in families:
            add(
                "spectral_contrast", librosa.feature.spectral_contrast(y=wave, n_bands=spec.n_bands, **shared)
            )
        if "spectral_flatness" in families:
            flatness = librosa.feature.spectral_flatness(y=wave, **transform)
            add("spectral_flatness", flatness)
        if "tonnetz" in families:
            add("tonnetz", librosa.feature.tonnetz(chroma=chroma))
        for order, family in ((1, "mfcc_delta"), (2, "mfcc_delta2")):
            if family in families:
                add(family, librosa.feature.delta(mfcc, width=spec.delta_width, order=order))
    return columns
