"""librosa: what librosa computes by default."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register(name="librosa")
@held_to("librosa's melspectrogram", within=5e-6)
def power() -> FeatureSpec:
    """librosa: power in 128 mel bins, as librosa.feature.melspectrogram computes it by default.

    22050 Hz, 2048 samples every 512, filters of the Auditory Toolbox up to 11025 Hz, and zeros around the
    audio, as since librosa 0.9.

    Source: https://librosa.org/doc/latest/generated/librosa.feature.melspectrogram.html
    """
    return MelSpec(
        dtype="float32",
        hop_length=512,
        n_mels=128,
        fmax=11025.0,
        mel_scale="slaney",
        pad_mode="constant",
        scale="linear",
    )


@presets.register(name="librosa-db")
@held_to("librosa's melspectrogram and power_to_db", within=0.01)
def decibels() -> FeatureSpec:
    """librosa-db: preset librosa in decibels, as librosa.power_to_db computes them by default.

    At most 80 dB below the peak. 0 dB is a power of 1; with ``ref="max"`` it is the chunk's peak, as in most
    examples of librosa.

    Source: https://librosa.org/doc/latest/generated/librosa.power_to_db.html
    """
    return MelSpec(
        hop_length=512,
        n_mels=128,
        fmax=11025.0,
        mel_scale="slaney",
        pad_mode="constant",
        top_db=80.0,
    )
