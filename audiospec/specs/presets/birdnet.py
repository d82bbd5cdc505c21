"""birdnet: the two mel spectrograms of BirdNET V2.4, as far as their settings are published."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register(name="birdnet-low")
@held_to("the published settings in float64", within=5e-6)
def low() -> FeatureSpec:
    """birdnet-low: magnitudes in the lower band of BirdNET V2.4: 96 mel bins up to 3000 Hz.

    48 kHz, 2048 samples every 278. BirdNET's own layer scales each chunk of 3 s to the range from -1 to 1,
    keeps the real part of the Fourier transform, raises the mel bins to a learnt power, and puts high
    frequencies first. This is the magnitude on a linear scale: it has BirdNET's resolution, and is no input
    for its weights.

    Source: its authors' settings, https://github.com/birdnet-team/BirdNET-Analyzer/issues/164 and 177;
    Kahl et al. 2021, doi:10.1016/j.ecoinf.2021.101236
    """
    return _band(2048, 278, 0.0, 3000.0)


@presets.register(name="birdnet-high")
@held_to("the published settings in float64", within=5e-6)
def high() -> FeatureSpec:
    """birdnet-high: magnitudes in the upper band of BirdNET V2.4: 96 mel bins from 500 Hz to 15 kHz.

    48 kHz, 1024 samples every 280. See preset birdnet-low.

    Source: as of preset birdnet-low.
    """
    return _band(1024, 280, 500.0, 15000.0)


def _band(n_fft: int, hop_length: int, fmin: float, fmax: float) -> MelSpec:
    return MelSpec(
        sample_rate=48000,
        dtype="float32",
        n_fft=n_fft,
        hop_length=hop_length,
        center=False,
        power=1.0,
        n_mels=96,
        fmin=fmin,
        fmax=fmax,
        norm=None,
        filter_domain="mel",
        scale="linear",
    )
