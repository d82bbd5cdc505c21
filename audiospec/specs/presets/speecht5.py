"""speecht5: what SpeechT5 and vocoders of its family read: log10 of 80 mel bins from 80 to 7600 Hz."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register
@held_to("transformers' SpeechT5FeatureExtractor", within=1e-3)
def speecht5() -> FeatureSpec:
    """16 kHz, 64 ms every 16 ms, magnitudes, filters of the Auditory Toolbox.

    Source: Ao et al. 2022, arXiv:2110.07205; https://github.com/microsoft/SpeechT5
    """
    return MelSpec(
        sample_rate=16000,
        n_fft=1024,
        n_mels=80,
        fmin=80.0,
        fmax=7600.0,
        mel_scale="slaney",
        power=1.0,
        scale="log10",
    )
