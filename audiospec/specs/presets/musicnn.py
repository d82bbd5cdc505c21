"""musicnn: what the music taggers of musicnn read: log10(10000 m + 1) of 96 mel bins at 16 kHz."""

from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register
@held_to("the calls of librosa in musicnn's extractor, in float32", within=1e-4)
def musicnn() -> MelSpec:
    """512 samples every 256, power, filters of the Auditory Toolbox up to 8000 Hz. It reads 3 s.

    musicnn itself rounds m to float16, where loud audio overflows. With librosa 0.9 or newer
    it pads with zeros, as here; ``pad_mode="reflect"`` pads as older ones did.

    Source: Pons and Serra 2019, arXiv:1909.06654; https://github.com/jordipons/musicnn
    """
    return MelSpec(
        sample_rate=16000,
        n_fft=512,
        hop_length=256,
        n_mels=96,
        mel_scale="slaney",
        pad_mode="constant",
        scale="log10",
        log_gain=10000.0,
        log_offset=1.0,
    )
