"""whisper: what OpenAI's Whisper reads."""

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.base import held_to, presets


@presets.register(name="whisper")
@held_to("transformers' WhisperFeatureExtractor", within=3e-4)
def whisper() -> FeatureSpec:
    """whisper: what OpenAI's Whisper reads, up to large-v2: 80 mel bins at 16 kHz, 25 ms every 10 ms.

    log10 of power, at most 8 below the chunk's peak, then (x + 4) / 4; the last frame is left out. Whisper
    reads chunks of 30 s.

    Source: Radford et al. 2022, arXiv:2212.04356; https://github.com/openai/whisper (audio.py)
    """
    return _whisper(80)


@presets.register(name="whisper-large-v3")
@held_to("transformers' WhisperFeatureExtractor, feature_size=128", within=3e-4)
def whisper_large_v3() -> FeatureSpec:
    """whisper-large-v3: what Whisper large-v3 and turbo read: preset whisper with 128 mel bins.

    Source: https://huggingface.co/openai/whisper-large-v3
    """
    return _whisper(128)


def _whisper(n_mels: int) -> MelSpec:
    return MelSpec(
        sample_rate=16000,
        n_fft=400,
        hop_length=160,
        n_mels=n_mels,
        mel_scale="slaney",
        scale="log10",
        top_db=80.0,
        drop_last=True,
        mean=-4.0,
        std=4.0,
    )
