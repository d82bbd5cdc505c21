"""Keys that audiospec writes into an ONNX model's metadata and reads from it, and keys of other programs."""

from __future__ import annotations

from collections.abc import Mapping

from audiospec.errors import ModelError
from audiospec.fields import shown

#: Beginning of each of audiospec's keys.
PREFIX = "audiospec."
#: Rate of the waves that the model takes, in Hz, as a decimal integer.
SAMPLE_RATE = f"{PREFIX}sample_rate"
#: Names of the classes, as a JSON list in the order of the output's last axis.
LABELS = f"{PREFIX}labels"
#: Licence of the weights.
LICENCE = f"{PREFIX}licence"
#: What the model takes, if audiospec exported it: `WAVE`, or rows of features.
INPUT, WAVE = f"{PREFIX}input", "wave"
#: Keys under which other programs state the rate, in Hz.
_RATES = (SAMPLE_RATE, "sample_rate", "sampling_rate", "samplerate")
_LICENCES = (LICENCE, "licence", "license")


def stated_rate(metadata: Mapping[str, str]) -> int | None:
    """Return the rate in Hz that a model states; None if it states none.

    Raises
    ------
    ModelError
        The value is not a whole number.
    """
    for key in _RATES:
        if key in metadata:
            try:
                rate = float(metadata[key])
            except ValueError:
                rate = 0.5
            if not rate.is_integer() or rate < 1:
                raise ModelError(
                    f"the model's metadata state {key} = {shown(metadata[key])}; expected a rate in Hz",
                    "correct the metadata of the file",
                )
            return int(rate)
    return None


def stated_licence(metadata: Mapping[str, str]) -> str:
    """Return the licence that a model states; ``""`` if it states none."""
    return next((metadata[key] for key in _LICENCES if key in metadata), "")
