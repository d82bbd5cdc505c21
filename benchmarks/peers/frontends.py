"""Log-mel and tabular features by other libraries."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from audiospec.audio.waves import Wave
from audiospec.benchmarks.base import Contender
from audiospec.specs.mel import MelSpec
from audiospec.specs.tabular import TabularSpec
from audiospec.testing.tabular import librosa_columns

SPEC = MelSpec()
COLUMNS = TabularSpec()
#: dB that float32 may make of a log-mel bin within 80 dB of its chunk's peak; of a column, relative.
CLOSE, CLOSE_COLUMN = 0.01, 1e-3
#: dB for peers that make the filters themselves in float32. A pure tone at the foot of a filter, where its
#: weight is next to nothing and has few digits left, makes 0.05 dB of it.
CLOSE_FLOAT32_FILTERS = 0.2
FLOAT32_FILTERS = "computes its filters in float32"


def over(inputs: Sequence[Any], work: Callable[[Any], Any], **named: Any) -> Contender:
    """A contender that takes inputs in turn; its results of all of them are compared."""

    @torch.inference_mode()
    def quietly(each: Any) -> Any:
        return work(each)

    return Contender(
        call=lambda number: quietly(inputs[number % len(inputs)]),
        result=lambda: [quietly(each) for each in inputs],
        **named,
    )


def librosa_log_mel() -> dict[str, Any]:
    """Log-mel by librosa."""
    import librosa

    def work(wave: Wave) -> Wave:
        mel = librosa.feature.melspectrogram(
            y=wave,
            sr=SPEC.sample_rate,
            n_fft=SPEC.n_fft,
            hop_length=SPEC.hop_length,
            n_mels=SPEC.n_mels,
            fmax=SPEC.fmax,
            htk=True,
            pad_mode="reflect",
        )
        found: Wave = librosa.power_to_db(mel, top_db=None)
        return found

    return {"name": "librosa", "work": work}


def torchaudio_log_mel(device: torch.device) -> dict[str, Any]:
    """Log-mel by torchaudio."""
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    mel = MelSpectrogram(
        sample_rate=SPEC.sample_rate,
        n_fft=SPEC.n_fft,
        hop_length=SPEC.hop_length,
        n_mels=SPEC.n_mels,
        f_max=SPEC.fmax,
        power=2.0,
        pad_mode="reflect",
        norm="slaney",
        mel_scale="htk",
    )
    work = nn.Sequential(mel, AmplitudeToDB("power", top_db=None)).to(device)
    return {
        "name": "torchaudio",
        "work": work,
        "tolerance": CLOSE_FLOAT32_FILTERS,
        "note": FLOAT32_FILTERS,
    }


def nnaudio_log_mel(device: torch.device) -> dict[str, Any]:
    """Log-mel by nnAudio."""
    from nnAudio2.features.mel import MelSpectrogram

    mel = MelSpectrogram(
        sr=SPEC.sample_rate,
        n_fft=SPEC.n_fft,
        hop_length=SPEC.hop_length,
        n_mels=SPEC.n_mels,
        fmax=SPEC.fmax,
        htk=True,
        norm=1,  # Slaney's
        pad_mode="reflect",
        verbose=False,
    ).to(device)

    def work(waves: Tensor) -> Tensor:
        power: Tensor = mel(waves)
        return power.clamp_(min=SPEC.amin).log10_().mul_(10).view(*waves.shape[:-1], *power.shape[1:])

    return {"name": "nnAudio conv", "work": work}


def essentia_log_mel() -> dict[str, Any]:
    """Log-mel by Essentia."""
    import essentia.standard

    # MelBands computes the same edges in float32, by which a tone is off by up to 1 dB; the cost is equal.
    mels = np.linspace(0, 2595 * np.log10(1 + SPEC.fmax / 700), SPEC.n_mels + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    size, hop = SPEC.n_fft, SPEC.hop_length
    window = essentia.standard.Windowing(
        type="hann", size=size, normalized=False, zeroPhase=False, symmetric=False
    )
    power = essentia.standard.PowerSpectrum(size=size)
    bands = essentia.standard.TriangularBands(
        inputSize=size // 2 + 1,
        sampleRate=SPEC.sample_rate,
        frequencyBands=edges.tolist(),
        normalize="unit_tri",
        weighting="linear",
        type="magnitude",  # of the power: not squared again
        log=False,
    )

    def work(wave: Wave) -> Wave:
        padded = np.pad(wave, size // 2, mode="reflect")
        mel = [bands(power(window(padded[i : i + size]))) for i in range(0, len(padded) - size + 1, hop)]
        return _decibels(np.array(mel).T)

    return {
        "name": "essentia",
        "work": work,
        "tolerance": CLOSE_FLOAT32_FILTERS,
        "note": f"frame by frame from Python; {FLOAT32_FILTERS}",
    }


def audioflux_log_mel() -> dict[str, Any]:
    """Log-mel by audioFlux."""
    import audioflux
    from audioflux.type import (
        SpectralDataType,
        SpectralFilterBankNormalType,
        SpectralFilterBankScaleType,
        WindowType,
    )

    mel = audioflux.BFT(
        num=SPEC.n_mels,
        radix2_exp=SPEC.n_fft.bit_length() - 1,
        samplate=SPEC.sample_rate,
        low_fre=SPEC.fmin,
        high_fre=SPEC.fmax,
        window_type=WindowType.HANN,
        slide_length=SPEC.hop_length,
        scale_type=SpectralFilterBankScaleType.MEL,  # HTK's
        normal_type=SpectralFilterBankNormalType.BAND_WIDTH,  # Slaney's
        data_type=SpectralDataType.POWER,
    )

    def work(wave: Wave) -> Wave:
        # It centres no frame by itself; its own decibels are over the peak and cut off 80 dB below.
        return _decibels(mel.bft(np.pad(wave, SPEC.n_fft // 2, mode="reflect"), result_type=1))

    return {
        "name": "audioflux",
        "work": work,
        "tolerance": CLOSE_FLOAT32_FILTERS,
        "note": FLOAT32_FILTERS,
    }


def _decibels(power: Wave) -> Wave:
    found: Wave = 10 * np.log10(np.maximum(power, SPEC.amin))
    return found


def librosa_row(chunk: Wave) -> Tensor:
    """The tabular columns of one chunk by librosa."""
    return torch.tensor(list(librosa_columns(chunk, COLUMNS).values()), dtype=torch.float64)


def floors(tensors: Sequence[Tensor]) -> list[Contender]:
    """What log-mel cannot do without: the Fourier transforms; reading samples and writing values."""
    shape = SPEC.row_shape(tensors[0].shape[-1])
    chunks = tensors[0].numel() // tensors[0].shape[-1]
    values = tensors[0].new_empty(chunks, *shape)

    def traffic(samples: Tensor) -> None:
        samples.sum()
        values.fill_(0)

    return [
        _transforms(chunks * shape[1], tensors[0].device),
        over(tensors, traffic, name="memory traffic", role="floor"),
    ]


def _transforms(count: int, device: torch.device) -> Contender:
    """So many real FFTs of windowed frames, one after another, in blocks of the size that is fastest here."""
    on_cpu = device.type == "cpu"
    sizes = [size for size in (16, 64, 128, 256, 512) if on_cpu] or [1 << 12, 1 << 14, 1 << 16]
    window = torch.hann_window(SPEC.n_fft, device=device)
    frames = torch.randn(min(count, sizes[-1]), SPEC.n_fft, device=device) * window

    def by_blocks(size: int) -> None:
        for first in range(0, count, size):
            torch.fft.rfft(frames[: min(size, count - first)])

    def seconds(size: int) -> float:
        times = []
        for _ in range(4):
            began = time.perf_counter()
            by_blocks(size)
            if not on_cpu:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
        return min(times)

    best = min(sizes, key=seconds)
    return Contender(
        name="FFT alone",
        role="floor",
        call=lambda _: by_blocks(best),
        note=f"{count} windows of {SPEC.n_fft} samples, {best} at a time",
    )


def column_transforms(samples: int) -> Contender:
    """What the columns cannot do without: of each frame a transform forth, in float64, and one back."""
    frames, block = 1 + samples // COLUMNS.hop_length, 128
    windows = torch.randn(block, COLUMNS.n_fft, dtype=torch.float64)
    spectra = torch.fft.rfft(windows.float())

    def work(_: int) -> None:
        for first in range(0, frames, block):
            count = min(block, frames - first)
            torch.fft.rfft(windows[:count])
            torch.fft.irfft(spectra[:count])

    return Contender(name="Fourier transforms alone", role="floor", call=work)
