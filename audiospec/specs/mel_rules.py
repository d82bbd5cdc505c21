"""Which values of a MelSpec are possible, and which pairs of them contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from audiospec.errors import SpecError
from audiospec.specs.base import MOST_WEIGHTS, require
from audiospec.specs.rules import require_hop_length, require_n_fft, require_range

#: Smallest normal float32. Smaller numbers lose digits or become 0, whose logarithm is minus infinity.
_TINY = 1.2e-38
#: Least and largest factor, and largest offset: float32 holds their products with the power of any audio.
_LEAST, _MOST = 1e-12, 1e12

#: Parameters of per-channel energy normalisation and their defaults.
PCEN = {
    "pcen_gain": 0.98,
    "pcen_bias": 2.0,
    "pcen_power": 0.5,
    "pcen_time_constant": 0.4,
    "pcen_eps": 1e-6,
}
#: Scales that are the logarithm of a mel bin with a lower limit, `amin`; and one decibel on each.
PER_DECIBEL = {"db": 1.0, "ln": math.log(10) / 10, "log10": 0.1}
#: Least deviation that the values of a normalised row are divided by.
LEAST_DEVIATION = 1e-5


def check(spec: Any) -> None:
    """Raise `SpecError` if a `MelSpec`, whose module imports this one, has impossible or contrary values."""
    _check_frames(spec)
    _check_filters(spec)
    _check_scale(spec)
    if spec.scale == "linear" and spec.dtype != "float32":
        raise SpecError(
            f'scale="linear" needs dtype="float32", as power spans more than {spec.dtype} can hold',
            'give `dtype="float32"`',
        )
    for one, other, advice in _contradictions(spec):
        raise SpecError(f"{_named(spec, one)} contradicts {_named(spec, other)}", advice)


def _named(spec: Any, field: str) -> str:
    value = getattr(spec, field)
    return f'{field}="{value}"' if isinstance(value, str) else f"{field}={value}"


def _contradictions(spec: Any) -> Iterator[tuple[str, str, str]]:
    """Yield pairs of parameters that contradict each other, and what to do."""
    logarithm = spec.scale in PER_DECIBEL
    if spec.window_samples > spec.n_fft:
        yield "win_length", "n_fft", "a window has at most `n_fft` samples: lower `win_length`"
    if spec.log_offset and not logarithm:
        yield "log_offset", "scale", 'it is added before a logarithm: choose `scale="db"`, "ln" or "log10"'
    if spec.log_gain != 1 and spec.scale in ("linear", "pcen"):
        yield "log_gain", "scale", 'it multiplies before a logarithm: choose `scale="log1p"` or another'
    # A linear scale has ignored `ref` and `top_db` ever since; stores have such specs.
    if spec.ref != 1 and spec.scale not in ("db", "linear"):
        yield "ref", "scale", 'only decibels have a reference: choose `scale="db"`'
    if spec.top_db is not None and not logarithm and spec.scale != "linear":
        yield "top_db", "scale", 'it limits a logarithm: choose `scale="db"`, "ln" or "log10"'
    for name, default in PCEN.items():
        if getattr(spec, name) != default and spec.scale != "pcen":
            yield name, "scale", 'it is of per-channel energy normalisation: choose `scale="pcen"`'
    for name, default in (("mean", 0), ("std", 1)):
        if getattr(spec, name) != default and spec.normalise != "none":
            yield name, "normalise", "a row that is normalised has mean 0 and deviation 1: leave one out"
    if spec.dtype == "uint8":
        advice = 'a byte holds decibels as they are: choose `dtype="float16"`'
        for name, plain in (("scale", "db"), ("normalise", "none"), ("mean", 0), ("std", 1)):
            if getattr(spec, name) != plain:
                yield name, "dtype", advice


def _check_frames(spec: Any) -> None:
    require_n_fft(spec.n_fft)
    require_hop_length(spec.hop_length)
    require(spec.window_samples >= 2, "win_length", "at least 2 samples, or none", spec.win_length)
    require(_LEAST <= spec.gain <= _MOST, "gain", f"from {_LEAST:g} to {_MOST:g}", spec.gain)
    require(0 <= spec.dither <= _MOST, "dither", f"from 0 to {_MOST:g}", spec.dither)
    require(0 <= spec.preemphasis <= 1, "preemphasis", "from 0 to 1", spec.preemphasis)
    require(0 < spec.power <= 16, "power", "above 0, at most 16", spec.power)


def _check_filters(spec: Any) -> None:
    require(spec.n_mels >= 1, "n_mels", "at least 1", spec.n_mels)
    require_range(spec.fmin, spec.fmax, spec.sample_rate)
    bins = spec.n_fft // 2 + 1
    require(spec.n_mels <= 2 * bins, "n_mels", f"at most 2 for each of {bins} Fourier bins", spec.n_mels)
    most = MOST_WEIGHTS // bins
    require(spec.n_mels <= most, "n_mels", f"at most {most} for n_fft={spec.n_fft}", spec.n_mels)
    empty = spec.triangles.empty()
    if len(empty) == spec.n_mels or (empty and not spec.allow_empty_filters):
        raise SpecError(
            f"{len(empty)} of {spec.n_mels} mel filters hold no Fourier bin (the first is number {empty[0]})",
            f"lower `n_mels`, raise `n_fft` ({spec.n_fft}), or widen the range from `fmin` to `fmax`",
        )


def _check_scale(spec: Any) -> None:
    require(spec.amin >= _TINY, "amin", f"at least {_TINY}, the smallest normal float32", spec.amin)
    require(spec.ref == "max" or spec.ref > 0, "ref", 'above 0, or "max"', spec.ref)
    require(spec.top_db is None or spec.top_db > 0, "top_db", "above 0, or none", spec.top_db)
    require(_LEAST <= spec.log_gain <= _MOST, "log_gain", f"from {_LEAST:g} to {_MOST:g}", spec.log_gain)
    require(0 <= spec.log_offset <= _MOST, "log_offset", f"from 0 to {_MOST:g}", spec.log_offset)
    require(abs(spec.mean) <= _MOST, "mean", f"within ±{_MOST:g}", spec.mean)
    require(1e-6 <= spec.std <= _MOST, "std", f"from 1e-06 to {_MOST:g}", spec.std)
    require(0 <= spec.pcen_gain <= 1, "pcen_gain", "from 0 to 1", spec.pcen_gain)
    require(0 < spec.pcen_bias <= _MOST, "pcen_bias", f"above 0, at most {_MOST:g}", spec.pcen_bias)
    require(0 < spec.pcen_power <= 1, "pcen_power", "above 0, at most 1", spec.pcen_power)
    require(spec.pcen_eps >= _TINY, "pcen_eps", f"at least {_TINY}", spec.pcen_eps)
    seconds = spec.pcen_time_constant
    require(0 < seconds <= _MOST, "pcen_time_constant", f"above 0 s, at most {_MOST:g} s", seconds)
