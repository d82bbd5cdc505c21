"""The implementations that presets are held to: each a function of a wave, independent of audiospec.

A function takes a wave (samples,), float32, at the preset's rate, and returns (mel, frames). It calls the
library that the preset is named after; where no package has it, it computes the published formulas in
float64. The libraries are imported when a function is called.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
Rows = NDArray[Any]


@dataclass(frozen=True)
class Held:
    """How a preset is computed elsewhere.

    Attributes
    ----------
    compute : callable
        Wave → (mel, frames).
    package : str
        The package whose version matters; numpy if formulas are computed here.
    """

    compute: Callable[[Wave], Rows]
    package: str


def _librosa(wave: Wave, *, decibels: bool = False, top_db: float | None = None, **options: Any) -> Rows:
    import librosa

    mel: Rows = librosa.feature.melspectrogram(y=wave, **options)
    return librosa.power_to_db(mel, top_db=top_db) if decibels else mel


def _musicnn(wave: Wave) -> Rows:
    import librosa

    mel = librosa.feature.melspectrogram(y=wave, sr=16000, hop_length=256, n_fft=512, n_mels=96)
    row: Rows = np.log10(10000 * mel + 1)
    return row


def _torchaudio(wave: Wave) -> Rows:
    import torch
    from torchaudio.transforms import MelSpectrogram

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of filters that are 0 everywhere
        row: Rows = MelSpectrogram()(torch.from_numpy(wave)).numpy()
    return row


def _kaldi(wave: Wave) -> Rows:
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = 80
    banks = kaldi_native_fbank.OnlineFbank(options)
    banks.accept_waveform(16000, (wave * 32768).tolist())
    banks.input_finished()
    return np.stack([banks.get_frame(number) for number in range(banks.num_frames_ready)], axis=1)


def compliance(wave: Wave, *, num_mel_bins: int, mean: float = 0.0, std: float = 1.0) -> Rows:
    """Filter banks by torchaudio's port of Kaldi, of samples in 16 bits."""
    import torch
    from torchaudio.compliance.kaldi import fbank

    banks = fbank(torch.from_numpy(wave[None] * np.float32(32768)), num_mel_bins=num_mel_bins)
    row: Rows = ((banks - mean) / std).T.numpy()
    return row


def _ast(wave: Wave) -> Rows:
    from transformers import ASTFeatureExtractor

    frames = 1 + (len(wave) - 400) // 160
    extract = ASTFeatureExtractor(max_length=frames)
    row: Rows = extract(wave, sampling_rate=16000, return_tensors="np")["input_values"][0].T
    return row


def _whisper(wave: Wave, *, feature_size: int) -> Rows:
    from transformers import WhisperFeatureExtractor

    extract = WhisperFeatureExtractor(feature_size=feature_size)
    features = extract(wave, sampling_rate=16000, padding="longest", truncation=False, return_tensors="np")
    row: Rows = features["input_features"][0]
    return row


def _speecht5(wave: Wave) -> Rows:
    from transformers import SpeechT5FeatureExtractor

    features = SpeechT5FeatureExtractor()(audio_target=wave, sampling_rate=16000, return_tensors="np")
    row: Rows = features["input_values"][0].T
    return row


def _clap(wave: Wave) -> Rows:
    from transformers import ClapFeatureExtractor

    seconds, rest = divmod(len(wave), 48000)
    if rest:
        raise ValueError(f"CLAP's extractor is given whole seconds here; got {len(wave)} samples")
    extract = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", max_length_s=seconds)
    row: Rows = extract(wave, sampling_rate=48000, return_tensors="np")["input_features"][0, 0].T
    return row


def magnitudes_over_mel(
    wave: Wave, *, rate: int, window: int, hop: int, n_fft: int, bins: int, low: float, high: float
) -> NDArray[np.float64]:
    """Mel bins of magnitudes in float64 by TensorFlow's definition, as VGGish, YAMNet and BirdNET state it.

    Frames of `window` samples begin every `hop` samples and are weighted by a periodic Hann window; zeros
    follow up to `n_fft`. Triangles of height 1 are straight over mel = 1127 ln(1 + f / 700).
    """
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    magnitudes = np.abs(np.fft.rfft(frames * hann, n_fft))

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1127 * np.log1p(hertz / 700))

    lowest, highest = mel(np.array([low, high])).tolist()
    edges = np.linspace(lowest, highest, bins + 2)
    of_bins = mel(np.arange(n_fft // 2 + 1) * rate / n_fft)[:, None]
    rising = (of_bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - of_bins) / (edges[2:] - edges[1:-1])
    weights = np.clip(np.minimum(rising, falling), 0, None)
    weights[0] = 0  # HTK has no bin at 0 Hz
    return np.asarray((magnitudes @ weights).T)


def _audioset(wave: Wave, *, offset: float) -> Rows:
    mel = magnitudes_over_mel(
        wave, rate=16000, window=400, hop=160, n_fft=512, bins=64, low=125.0, high=7500.0
    )
    return np.asarray(np.log(mel + offset))


def _birdnet(wave: Wave, *, window: int, hop: int, low: float, high: float) -> Rows:
    return magnitudes_over_mel(
        wave, rate=48000, window=window, hop=hop, n_fft=window, bins=96, low=low, high=high
    )


#: Preset → what it is held to.
REFERENCES: dict[str, Held] = {
    "study": Held(
        partial(
            _librosa,
            sr=22050,
            n_fft=2048,
            hop_length=256,
            n_mels=192,
            fmax=8000.0,
            htk=True,
            pad_mode="reflect",
            decibels=True,
        ),
        "librosa",
    ),
    "librosa": Held(_librosa, "librosa"),
    "librosa-db": Held(partial(_librosa, decibels=True, top_db=80.0), "librosa"),
    "torchaudio": Held(_torchaudio, "torchaudio"),
    "kaldi": Held(_kaldi, "kaldi-native-fbank"),
    "ast": Held(_ast, "transformers"),
    "beats": Held(partial(compliance, num_mel_bins=128, mean=15.41663, std=2 * 6.55582), "torchaudio"),
    "whisper": Held(partial(_whisper, feature_size=80), "transformers"),
    "whisper-large-v3": Held(partial(_whisper, feature_size=128), "transformers"),
    "vggish": Held(partial(_audioset, offset=0.01), "numpy"),
    "yamnet": Held(partial(_audioset, offset=0.001), "numpy"),
    "panns": Held(
        partial(
            _librosa,
            sr=32000,
            n_fft=1024,
            hop_length=320,
            n_mels=64,
            fmin=50.0,
            fmax=14000.0,
            pad_mode="reflect",
            decibels=True,
        ),
        "librosa",
    ),
    "musicnn": Held(_musicnn, "librosa"),
    "speecht5": Held(_speecht5, "transformers"),
    "clap": Held(_clap, "transformers"),
    "birdnet-low": Held(partial(_birdnet, window=2048, hop=278, low=0.0, high=3000.0), "numpy"),
    "birdnet-high": Held(partial(_birdnet, window=1024, hop=280, low=500.0, high=15000.0), "numpy"),
}
