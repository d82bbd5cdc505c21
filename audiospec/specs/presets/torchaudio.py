"""torchaudio: power in 128 mel bins, as torchaudio.transforms.MelSpectrogram computes it by default."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register
@held_to("torchaudio's MelSpectrogram", within=3e-5)
def torchaudio() -> FeatureSpec:
    """16 kHz, 400 samples every 200, HTK's mel scale, filters of height 1 up to 8000 Hz.

    Some filters are narrower than a Fourier bin and are 0 everywhere, of which torchaudio warns.

    Source: https://docs.pytorch.org/audio/stable/generated/torchaudio.transforms.MelSpectrogram.html
    """
    return MelSpec(
        sample_rate=16000,
        dtype="float32",
        n_fft=400,
        hop_length=200,
        n_mels=128,
        norm=None,
        scale="linear",
        allow_empty_filters=True,
    )
