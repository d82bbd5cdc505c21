"""kaldi: log-mel filter banks of Kaldi, and what was trained on them."""

from typing import Literal

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets

#: The smallest difference of float32 from 1, to which Kaldi raises energies before the logarithm.
FLOOR = 1.1920928955078125e-07


@presets.register(name="kaldi")
@held_to("kaldi-native-fbank's OnlineFbank", within=5e-3)
def kaldi() -> FeatureSpec:
    """kaldi: 80 log-mel filter banks of Kaldi at 16 kHz, 25 ms every 10 ms, of samples in 16 bits.

    Each frame loses its mean, is pre-emphasised (0.97) and windowed (Povey's window); triangles are straight
    over mel, from 20 to 8000 Hz; natural logarithm. Kaldi also adds noise by default (dither 1), which
    recipes turn off for evaluation, as here; ``dither=1`` adds it, the same to each chunk.

    Source: Povey et al. 2011, The Kaldi Speech Recognition Toolkit, ASRU; https://kaldi-asr.org/doc/feat.html
    """
    return _filter_banks(80, allow_empty_filters=False)


@presets.register(name="ast")
@held_to("transformers' ASTFeatureExtractor", within=5e-4)
def ast() -> FeatureSpec:
    """ast: what the Audio Spectrogram Transformer and AudioMAE read: 128 filter banks, normalised.

    As preset kaldi with a Hann window and samples within ±1, then (x + 4.2677393) / (2 · 4.5689974). The
    model itself cuts or fills the result to 1024 frames.

    Source: Gong et al. 2021, arXiv:2104.01778; https://github.com/YuanGongND/ast
    """
    return _filter_banks(128, window="hann", gain=1.0, mean=-4.2677393, std=2 * 4.5689974)


@presets.register(name="beats")
@held_to("torchaudio's compliance.kaldi.fbank, normalised", within=5e-4)
def beats() -> FeatureSpec:
    """beats: what BEATs reads: 128 filter banks of Kaldi, normalised.

    As preset kaldi with 128 bins, then (x - 15.41663) / (2 · 6.55582).

    Source: Chen et al. 2022, arXiv:2212.09058; https://github.com/microsoft/unilm/tree/master/beats
    """
    return _filter_banks(128, mean=15.41663, std=2 * 6.55582)


def _filter_banks(
    n_mels: int,
    *,
    window: Literal["hann", "povey"] = "povey",
    gain: float = 32768.0,
    allow_empty_filters: bool = True,
    mean: float = 0.0,
    std: float = 1.0,
) -> MelSpec:
    return MelSpec(
        sample_rate=16000,
        n_fft=512,
        win_length=400,
        hop_length=160,
        window=window,
        periodic=False,
        center=False,
        gain=gain,
        remove_dc=True,
        preemphasis=0.97,
        n_mels=n_mels,
        fmin=20.0,
        norm=None,
        filter_domain="mel",
        allow_empty_filters=allow_empty_filters,
        scale="ln",
        amin=FLOOR,
        mean=mean,
        std=std,
    )
