"""How far cqt, vqt, gammatone and mfcc are from the libraries that compute them, too, on real audio.

The clips are those of the study of presets: tracks of GTZAN's shared part, clips of ESC-10, spoken digits, at
most 5 s each, resampled to the rate of the spec. Of magnitudes and powers three figures are written down: the
norm of the difference as a share of the norm, over all clips; the largest difference as a share of its clip's
peak; and the mean difference in dB of values within 40 dB of their clip's peak. Of MFCCs, whose values are
decibels already, the first two are written down, the second in their own unit.

    python -m benchmarks.studies.transforms --save benchmarks/results
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("NNAUDIO_DISABLE_CITATION_REMINDER", "1")

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from audiospec.benchmarks.result_tables import table
from audiospec.benchmarks.studies.presets import SECONDS, clips
from audiospec.benchmarks.studies.result import save
from audiospec.features.base import frontend
from audiospec.features.kernels.gammatone_filters import gammatone_reference
from audiospec.features.kernels.wavelets import magnitudes
from audiospec.specs.base import FeatureSpec
from audiospec.specs.cqt import CqtSpec
from audiospec.specs.gammatone import GammatoneSpec
from audiospec.specs.mfcc import MfccSpec
from audiospec.specs.vqt import VqtSpec

Wave = NDArray[np.float32]
#: dB below a clip's peak down to which the mean difference is taken.
RANGE = 40

CQT = CqtSpec(scale="linear", dtype="float32")
VQT = VqtSpec(scale="linear", dtype="float32")
GAMMATONE = GammatoneSpec(scale="linear", dtype="float32")
#: Kaldi's MFCCs, without its lifter, which begins at another coefficient than librosa's.
KALDI = MfccSpec(
    sample_rate=16000,
    n_mfcc=13,
    n_mels=23,
    n_fft=512,
    win_length=400,
    hop_length=160,
    window="povey",
    periodic=False,
    gain=32768,
    remove_dc=True,
    preemphasis=0.97,
    filter_domain="mel",
    norm=None,
    mel_scale="htk",
    fmin=20,
    center=False,
    scale="ln",
    amin=1.1920929e-07,
    top_db=None,
)


@dataclass(frozen=True)
class Compared:
    """A spec, and what else computes it.

    Attributes
    ----------
    spec : FeatureSpec
    name : str
        Name of the other implementation.
    compute : callable
        Wave (samples,), at the spec's rate → (bins, frames).
    """

    spec: FeatureSpec
    name: str
    compute: Callable[[Wave], NDArray[Any]]


def _librosas(spec: CqtSpec) -> Callable[[Wave], NDArray[Any]]:
    def compute(wave: Wave) -> NDArray[Any]:
        import librosa

        warnings.filterwarnings("ignore", message="n_fft=")  # clips shorter than the longest wavelet
        row: NDArray[Any] = np.abs(librosa.vqt(wave, sr=spec.sample_rate, gamma=spec.offset))
        return row

    return compute


def _nnaudios_cqt(wave: Wave) -> NDArray[Any]:
    from nnAudio2.features.cqt import CQT1992v2

    # nnAudio's relative bandwidth is that of the next bin, r - 1.
    scale = CQT.filter_scale * (2 ** (1 / 12) - 1) / CQT.alpha
    module = CQT1992v2(fmin=CQT.fmin, filter_scale=scale, pad_mode="constant", verbose=False)
    row: NDArray[Any] = module(torch.from_numpy(wave)[None])[0].numpy()
    return row


def _nnaudios_vqt(wave: Wave) -> NDArray[Any]:
    from nnAudio2.features import vqt

    step = 2 ** (1 / 12) - 1
    scale, gamma = step / VQT.alpha, VQT.offset * step / VQT.alpha
    module = vqt.VQT(fmin=VQT.fmin, filter_scale=scale, gamma=gamma, pad_mode="constant", verbose=False)
    row: NDArray[Any] = module(torch.from_numpy(wave)[None])[0].numpy()
    return row


def _nnaudios_gammatone(wave: Wave) -> NDArray[Any]:
    from nnAudio2.features.gammatone import Gammatonegram

    row: NDArray[Any] = Gammatonegram(fmin=50, verbose=False)(torch.from_numpy(wave)[None])[0].numpy()
    return row


def _librosas_mfcc(wave: Wave) -> NDArray[Any]:
    import librosa

    row: NDArray[Any] = librosa.feature.mfcc(y=wave, sr=22050)
    return row


def _kaldis_mfcc(wave: Wave) -> NDArray[Any]:
    from kaldi_native_fbank import MfccOptions, OnlineMfcc

    options = MfccOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = 16000, 0
    options.mel_opts.num_bins, options.num_ceps = 23, 13
    options.use_energy, options.cepstral_lifter = False, 0
    mfcc = OnlineMfcc(options)
    mfcc.accept_waveform(16000, (wave * 32768).tolist())
    mfcc.input_finished()
    return np.array([mfcc.get_frame(number) for number in range(mfcc.num_frames_ready)]).T


COMPARED = (
    Compared(CQT, "librosa.cqt", _librosas(CQT)),
    Compared(CQT, "nnAudio2's CQT1992v2", _nnaudios_cqt),
    Compared(CQT, "the definition in float64", lambda wave: magnitudes(CQT, wave)),
    Compared(VQT, "librosa.vqt", _librosas(VQT)),
    Compared(VQT, "nnAudio2's VQT", _nnaudios_vqt),
    Compared(VQT, "the definition in float64", lambda wave: magnitudes(VQT, wave)),
    Compared(GAMMATONE, "nnAudio2's Gammatonegram", _nnaudios_gammatone),
    Compared(GAMMATONE, "the definition in float64", lambda wave: gammatone_reference(GAMMATONE, wave)),
    Compared(MfccSpec(), "librosa.feature.mfcc", _librosas_mfcc),
    Compared(KALDI, "kaldi-native-fbank", _kaldis_mfcc),
)


def measure(compared: Compared, sounds: list[tuple[str, Wave, int]]) -> dict[str, Any]:
    """Return the differences between two implementations.

    Parameters
    ----------
    sounds : list of (name, samples, rate)
    """
    spec = compared.spec
    module = frontend(spec)
    powers = {CQT: 20, VQT: 20, GAMMATONE: 10}.get(spec)
    squares = total = largest = 0.0
    decibels: list[NDArray[Any]] = []
    for _, sound, rate in sounds:
        wave = soxr.resample(sound, rate, spec.sample_rate).astype(np.float32)
        theirs = compared.compute(wave).astype(np.float64)
        ours = module(torch.from_numpy(wave)).numpy().astype(np.float64)[:, : theirs.shape[1]]
        difference = np.abs(ours - theirs)
        squares += float((difference**2).sum())
        total += float((theirs**2).sum())
        peak = theirs.max() if powers else 1.0
        largest = max(largest, float(difference.max() / peak))
        if powers:
            near = theirs >= peak * 10 ** (-RANGE / powers)
            decibels.append(np.abs(powers * np.log10(ours[near] / theirs[near])))
    return {
        "feature": spec.feature,
        "with": compared.name,
        "norm": (squares / total) ** 0.5,
        "largest": largest,
        "mean_db": float(np.concatenate(decibels).mean()) if powers else None,
    }


def markdown(figures: dict[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : dict
        What ``transforms.json`` has.
    """
    rows = [
        (
            f"`{one['feature']}`",
            one["with"],
            f"{one['norm']:.1e}",
            f"{one['largest']:.1e}" + (" of the peak" if one["mean_db"] is not None else ""),
            "" if one["mean_db"] is None else f"{one['mean_db']:.1e} dB",
        )
        for one in figures["compared"]
    ]
    return "\n".join(
        [
            "# Transforms against the libraries that compute them, too",
            "",
            "`python -m benchmarks.studies.transforms --save benchmarks/results`; date, machine, versions:",
            f"`transforms.json`. {figures['clips']} clips of real audio.",
            "",
            "- *norm*: norm of the difference by the norm of the values, over all clips.",
            "- *largest*: of any value of any clip.",
            f"- *mean*: of values within {RANGE} dB of their clip's peak.",
            "",
            table(("feature", "compared with", "norm", "largest", "mean"), rows),
            "",
        ]
    )


def main() -> None:
    """Compare every transform, print the table and save it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--save", type=Path, help="folder for transforms.json and transforms.md")
    options = parser.parse_args()
    sounds = list(clips(options.data))
    figures = {
        "clips": len(sounds),
        "seconds": SECONDS,
        "compared": [measure(compared, sounds) for compared in COMPARED],
    }
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('transforms', figures, options.save, page=text)}")


if __name__ == "__main__":
    main()
