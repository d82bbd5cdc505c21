"""vggish: what Google's VGGish and YAMNet read."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets

#: The logarithm's argument is at least its offset, so this limit changes nothing.
NO_LIMIT = 1e-30


@presets.register(name="vggish")
@held_to("the published formulas in float64", within=2e-3)
def vggish() -> FeatureSpec:
    """vggish: what VGGish reads: ln(m + 0.01) of 64 mel bins from 125 to 7500 Hz at 16 kHz.

    25 ms every 10 ms. m is of magnitudes, not power; triangles are straight over mel. VGGish reads 96 frames,
    which a chunk of 0.975 s has; the next begins 0.96 s later.

    Source: Hershey et al. 2017, arXiv:1609.09430;
    https://github.com/tensorflow/models/tree/master/research/audioset/vggish
    """
    return _audioset(0.01)


@presets.register(name="yamnet")
@held_to("the published formulas in float64", within=0.01)
def yamnet() -> FeatureSpec:
    """yamnet: what YAMNet reads: preset vggish with ln(m + 0.001).

    YAMNet reads 96 frames, a chunk of 0.975 s; the next begins 0.48 s later.

    Source: https://github.com/tensorflow/models/tree/master/research/audioset/yamnet
    """
    return _audioset(0.001)


def _audioset(offset: float) -> MelSpec:
    return MelSpec(
        sample_rate=16000,
        n_fft=512,
        win_length=400,
        hop_length=160,
        center=False,
        power=1.0,
        n_mels=64,
        fmin=125.0,
        fmax=7500.0,
        norm=None,
        filter_domain="mel",
        scale="ln",
        log_offset=offset,
        amin=NO_LIMIT,
    )
