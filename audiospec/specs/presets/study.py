"""study: the spectrogram of the study of music genres that audiospec grew out of, the default of mel."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register
@held_to("librosa's melspectrogram and power_to_db", within=0.01)
def study() -> FeatureSpec:
    """22050 Hz, 2048 samples every 256, 192 mel bins up to 8000 Hz, in decibels.

    Source: the study; the filters are librosa's with ``htk=True``.
    """
    return MelSpec()
