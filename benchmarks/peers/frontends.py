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
#: dB; rounding error of float32 in a log-mel bin within 80 dB of the peak of its chunk.
MEL_TOLERANCE = 0.01
#: Relative rounding error of float32 in a tabular column.
COLUMN_TOLERANCE = 1e-3
#: dB; for peers that compute the filters in float32. Near the foot of a filter the weights are tiny and lose
#: digits: a pure tone there differs by 0.05 dB.
FLOAT32_FILTER_TOLERANCE = 0.2
FLOAT32_FILTER_NOTE = "computes its filters in float32"


def make_contender(inputs: Sequence[Any], work: Callable[[Any], Any], **attributes: Any) -> Contender:
    """Return a contender that processes one input per round, in turn.

    Parameters
    ----------
    inputs : sequence
        The results for all of them are compared.
    work : callable
        Called with one input; returns its result.
    **attributes
        Other attributes of the `Contender`.
    """

    @torch.inference_mode()
    def infer(each: Any) -> Any:
        return work(each)

    return Contender(
        call=lambda number: infer(inputs[number % len(inputs)]),
        result=lambda: [infer(each) for each in inputs],
        **attributes,
    )


def librosa_log_mel() -> dict[str, Any]:
    """Return the attributes of a contender that computes log-mel with librosa."""
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
        decibels: Wave = librosa.power_to_db(mel, top_db=None)
        return decibels

    return {"name": "librosa", "work": work}


def torchaudio_log_mel(device: torch.device) -> dict[str, Any]:
    """Return the attributes of a contender that computes log-mel with torchaudio."""
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
        "tolerance": FLOAT32_FILTER_TOLERANCE,
        "note": FLOAT32_FILTER_NOTE,
    }


def nnaudio_log_mel(device: torch.device) -> dict[str, Any]:
    """Return the attributes of a contender that computes log-mel with nnAudio."""
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
    """Return the attributes of a contender that computes log-mel with Essentia."""
    import essentia.standard

    # MelBands computes the same edges in float32, which changes a tone by up to 1 dB; the cost is equal.
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
        "tolerance": FLOAT32_FILTER_TOLERANCE,
        "note": f"frame by frame from Python; {FLOAT32_FILTER_NOTE}",
    }


def audioflux_log_mel() -> dict[str, Any]:
    """Return the attributes of a contender that computes log-mel with audioFlux."""
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
        # audioFlux does not centre frames; its own decibels are relative to the peak and cut off at -80 dB.
        return _decibels(mel.bft(np.pad(wave, SPEC.n_fft // 2, mode="reflect"), result_type=1))

    return {
        "name": "audioflux",
        "work": work,
        "tolerance": FLOAT32_FILTER_TOLERANCE,
        "note": FLOAT32_FILTER_NOTE,
    }


def kaldi_log_mel() -> dict[str, Any]:
    """Return the attributes of a contender that computes log-mel with kaldi-native-fbank."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    frames, mel = options.frame_opts, options.mel_opts
    frames.samp_freq = SPEC.sample_rate
    # Half a sample more: Kaldi rounds the product with the sample rate down.
    frames.frame_length_ms = 1000 * (SPEC.n_fft + 0.5) / SPEC.sample_rate
    frames.frame_shift_ms = 1000 * (SPEC.hop_length + 0.5) / SPEC.sample_rate
    frames.window_type = "hann"
    frames.dither = frames.preemph_coeff = 0.0
    frames.remove_dc_offset = False
    mel.num_bins, mel.low_freq, mel.high_freq = SPEC.n_mels, SPEC.fmin, SPEC.fmax
    # Instead of Kaldi's own filters, which take the same time: HTK's with the norm of Slaney.
    mel.is_librosa, mel.use_slaney_mel_scale, mel.norm = True, False, "slaney"
    options.eps = SPEC.amin

    def work(wave: Wave) -> Wave:
        fbank = kaldi_native_fbank.OnlineFbank(options)
        fbank.accept_waveform(SPEC.sample_rate, np.pad(wave, SPEC.n_fft // 2, mode="reflect"))
        fbank.input_finished()
        natural = np.array([fbank.get_frame(number) for number in range(fbank.num_frames_ready)]).T
        decibels: Wave = natural * np.float32(10 / np.log(10))
        return decibels

    return {
        "name": "kaldi-native-fbank",
        "work": work,
        "tolerance": FLOAT32_FILTER_TOLERANCE,
        "note": f"with librosa's filters, not Kaldi's own; {FLOAT32_FILTER_NOTE}",
    }


def _decibels(power: Wave) -> Wave:
    decibels: Wave = 10 * np.log10(np.maximum(power, SPEC.amin))
    return decibels


def librosa_row(chunk: Wave) -> Tensor:
    """Return the tabular columns of one chunk, computed with librosa: float64, shape (columns,)."""
    return torch.tensor(list(librosa_columns(chunk, COLUMNS).values()), dtype=torch.float64)


def log_mel_floors(tensors: Sequence[Tensor]) -> list[Contender]:
    """Return the floors of log-mel: only the Fourier transforms, and only reading and writing memory."""
    shape = SPEC.row_shape(tensors[0].shape[-1])
    chunks = tensors[0].numel() // tensors[0].shape[-1]
    values = tensors[0].new_empty(chunks, *shape)

    def traffic(samples: Tensor) -> None:
        samples.sum()
        values.fill_(0)

    return [
        _transforms(chunks * shape[1], tensors[0].device),
        make_contender(tensors, traffic, name="memory traffic", role="floor"),
    ]


def _transforms(count: int, device: torch.device) -> Contender:
    """Return a floor of `count` real FFTs of windowed frames, in blocks of the fastest size here."""
    on_cpu = device.type == "cpu"
    sizes = [size for size in (16, 64, 128, 256, 512) if on_cpu] or [1 << 12, 1 << 14, 1 << 16]
    window = torch.hann_window(SPEC.n_fft, device=device)
    frames = torch.randn(min(count, sizes[-1]), SPEC.n_fft, device=device) * window

    def transform_in_blocks(size: int) -> None:
        for first in range(0, count, size):
            torch.fft.rfft(frames[: min(size, count - first)])

    def seconds(size: int) -> float:
        times = []
        for _ in range(4):
            start = time.perf_counter()
            transform_in_blocks(size)
            if not on_cpu:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - start)
        return min(times)

    fastest = min(sizes, key=seconds)
    return Contender(
        name="FFT alone",
        role="floor",
        call=lambda _: transform_in_blocks(fastest),
        note=f"{count} windows of {SPEC.n_fft} samples, {fastest} at a time",
    )


def column_transforms(samples: int) -> Contender:
    """Return a floor of the tabular columns: for each frame a transform in float64 and an inverse one."""
    frames, block = 1 + samples // COLUMNS.hop_length, 128
    windows = torch.randn(block, COLUMNS.n_fft, dtype=torch.float64)
    spectra = torch.fft.rfft(windows.float())

    def work(_: int) -> None:
        for first in range(0, frames, block):
            count = min(block, frames - first)
            torch.fft.rfft(windows[:count])
            torch.fft.irfft(spectra[:count])

    return Contender(name="Fourier transforms alone", role="floor", call=work)
