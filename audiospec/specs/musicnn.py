"""MusicnnSpec: the embedding or the tags that musicnn, a pretrained tagger of music, hears in a chunk."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.specs.base import FeatureSpec, Kind, require, require_samples
from audiospec.specs.mel import MelSpec
from audiospec.specs.presets.musicnn import musicnn

#: SHA-256 of the files of weights in the wheel musicnn 0.1.0 (``MSD_musicnn/.data-00000-of-00001``, …).
SHA256: Mapping[str, str] = types.MappingProxyType(
    {
        "msd": "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
        "mtt": "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    }
)
#: Frames of a window: 3 s, the length that the network was trained with.
WINDOW = 187
#: Frames at the end of a chunk that get no window of their own: a quarter of a second.
SPARE = 16
#: Numbers of the penultimate layer.
PENULTIMATE = 200


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a text, which are separated by commas and line breaks."""
    return tuple(name.strip() for name in text.split(","))


#: The tags in the order of the network's outputs, as the wheel's configuration lists them.
TAGS: Mapping[str, tuple[str, ...]] = types.MappingProxyType(
    {
        "msd": _names(
            """rock, pop, alternative, indie, electronic, female vocalists, dance, 00s, alternative rock,
            jazz, beautiful, metal, chillout, male vocalists, classic rock, soul, indie rock, Mellow,
            electronica, 80s, folk, 90s, chill, instrumental, punk, oldies, blues, hard rock, ambient,
            acoustic, experimental, female vocalist, guitar, Hip-Hop, 70s, party, country, easy listening,
            sexy, catchy, funk, electro, heavy metal, Progressive rock, 60s, rnb, indie pop, sad, House,
            happy"""
        ),
        "mtt": _names(
            """guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, beat,
            violin, vocal, synth, female, indian, opera, male, singing, vocals, no vocals, harpsichord, loud,
            quiet, flute, woman, male vocal, no vocal, pop, soft, sitar, solo, man, classic, choir, voice,
            new age, dance, male voice, female vocal, beats, harp, cello, no voice, weird, country, metal,
            female voice, choral"""
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class MusicnnSpec(FeatureSpec, feature="musicnn"):
    """The output of musicnn for a chunk: the mean over its windows of 3 s.

    musicnn is a convolutional network that was trained to tag music (Pons and Serra 2019, *musicnn:
    pre-trained convolutional neural networks for music audio tagging*, arXiv:1909.06654). Its weights are in
    the wheel musicnn 0.1.0 (ISC licence), which is installed by ``pip install --no-deps musicnn==0.1.0``;
    nothing of its code is run.

    Windows of 187 frames begin every `hop_frames` frames. What is left at the end is in one more window,
    which ends with the chunk, if it is longer than 16 frames (a quarter of a second). A chunk shorter than a
    window is one window of its own length: the network pools over time. The chunk at the end of a track is
    not padded.

    Parameters
    ----------
    weights : "msd" or "mtt"
        The dataset that the network was trained on: the Million Song Dataset, or MagnaTagATune.
    output : "penultimate" or "tags"
        ``"penultimate"``: the 200 numbers of the layer before the last, an embedding. ``"tags"``: the
        probabilities of 50 tags, each 0 to 1.
    hop_frames : int
        Frames (16 ms) from the start of one window to the next, 1 to 187.
    sha256 : str
        SHA-256 of the file of weights. Weights with another are refused. ``""`` is that of `weights`.

    Raises
    ------
    SpecError
        See `FeatureSpec`. Also for a `sample_rate` other than 16000 Hz, which the network was trained with.
    """

    kind: ClassVar[Kind] = "table"
    pads: ClassVar[bool] = False

    sample_rate: int = 16000
    dtype: Literal["float16", "float32", "uint8"] = "float32"
    weights: Literal["msd", "mtt"] = "msd"
    output: Literal["penultimate", "tags"] = "penultimate"
    hop_frames: int = WINDOW
    sha256: str = ""

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        if self.sample_rate != 16000:
            raise SpecError(
                f"parameter sample_rate must be 16000 Hz for musicnn; got {self.sample_rate}",
                f"leave it out, or give `mel.sample_rate={self.sample_rate}` to set it for mel alone",
            )
        require(1 <= self.hop_frames <= WINDOW, "hop_frames", f"from 1 to {WINDOW}", self.hop_frames)
        if not self.sha256:
            object.__setattr__(self, "sha256", SHA256[self.weights])
        sha256 = self.sha256
        digits = len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
        require(digits, "sha256", "64 hexadecimal digits", sha256)
        for weights, known in SHA256.items():
            if sha256 == known and weights != self.weights:
                raise SpecError(
                    f'parameter sha256 is that of weights="{weights}"; got weights="{self.weights}"',
                    "leave out `sha256`, or give it for these `weights`",
                )

    @staticmethod
    def mel_spec() -> MelSpec:
        """Return the mel spectrogram that the network reads, the preset `musicnn`, in full precision."""
        return dataclasses.replace(musicnn(), dtype="float32")

    def windows(self, frames: int) -> list[tuple[int, int]]:
        """Return the windows of a chunk as (first frame, frame after the last).

        Parameters
        ----------
        frames : int
            Frames of the chunk, at least 1.
        """
        if frames <= WINDOW:
            return [(0, frames)]
        windows = [(first, first + WINDOW) for first in range(0, frames - WINDOW + 1, self.hop_frames)]
        if frames - windows[-1][1] > SPARE:
            windows.append((frames - WINDOW, frames))
        return windows

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        if self.output == "tags":
            return TAGS[self.weights]
        return tuple(f"musicnn_{number}" for number in range(1, PENULTIMATE + 1))

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: the numbers of a network, or probabilities."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(number of columns,)`` for a chunk of at least one sample."""
        require_samples(samples, 1)
        return (len(self.columns),)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the names of the columns."""
        return {"feature": (list(self.columns), "")}
