"""clap: what LAION's CLAP reads: decibels of 64 mel bins at 48 kHz."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register
@held_to("transformers' ClapFeatureExtractor, frequency_min=50, rand_trunc", within=0.01)
def clap() -> FeatureSpec:
    """1024 samples every 480, power, filters of the Auditory Toolbox from 50 to 14000 Hz.

    It is the spectrogram of the models without fusion, such as clap-htsat-unfused. They read 10 s; shorter
    audio is repeated, which is not part of the spec.

    Source: Wu et al. 2023, arXiv:2211.06687; https://github.com/LAION-AI/CLAP (HTSAT-tiny.json)
    """
    return MelSpec(
        sample_rate=48000,
        n_fft=1024,
        hop_length=480,
        n_mels=64,
        fmin=50.0,
        fmax=14000.0,
        mel_scale="slaney",
    )
