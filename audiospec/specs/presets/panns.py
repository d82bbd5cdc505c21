"""panns: what PANNs' CNN14 and its relatives read: decibels of 64 mel bins at 32 kHz."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register
@held_to("librosa's melspectrogram and power_to_db", within=0.01)
def panns() -> FeatureSpec:
    """1024 samples every 320, filters of the Auditory Toolbox from 50 to 14000 Hz, no limit below the peak.

    The authors compute it by torchlibrosa, a port of librosa. The network itself normalises each mel bin.

    Source: Kong et al. 2020, arXiv:1912.10211; https://github.com/qiuqiangkong/audioset_tagging_cnn
    """
    return MelSpec(
        sample_rate=32000,
        n_fft=1024,
        hop_length=320,
        n_mels=64,
        fmin=50.0,
        fmax=14000.0,
        mel_scale="slaney",
    )
