"""Rules that specs share: bounds of a transform and of filters, and the size of a row."""

from __future__ import annotations

from audiospec.errors import SpecError
from audiospec.specs.base import MOST_HOP, MOST_VALUES, MOST_WINDOW, require


def require_n_fft(n_fft: int) -> None:
    """Raise `SpecError` unless a Fourier transform may have that many samples."""
    require(n_fft >= 2, "n_fft", "at least 2 samples", n_fft)
    require(n_fft <= MOST_WINDOW, "n_fft", f"at most {MOST_WINDOW} samples", n_fft)


def require_hop_length(hop_length: int) -> None:
    """Raise `SpecError` unless frames may be that many samples apart."""
    require(hop_length >= 1, "hop_length", "at least 1 sample", hop_length)
    require(hop_length <= MOST_HOP, "hop_length", f"at most {MOST_HOP} samples", hop_length)


def require_range(fmin: float, fmax: float, sample_rate: int) -> None:
    """Raise `SpecError` unless filters can reach from `fmin` to `fmax` (Hz) at a sample rate (Hz)."""
    nyquist = sample_rate / 2
    if fmax > nyquist:
        raise SpecError(
            f"parameter fmax must be at most {nyquist:g} Hz, half the sample rate of "
            f"{sample_rate} Hz; got {fmax:g}",
            "lower `fmax` or raise `sample_rate`",
        )
    require(0 <= fmin < fmax, "fmin", f"from 0 to below fmax ({fmax:g} Hz)", fmin)


def spectrogram_shape(samples: int, bins: int, frames: int, name: str) -> tuple[int, int]:
    """Return ``(bins, frames)``, the shape of a chunk's row.

    Parameters
    ----------
    samples : int
        Length of the chunk.
    bins, frames : int
    name : str
        Of the bins, such as ``"mel bins"``.

    Raises
    ------
    SpecError
        The row would have more than `MOST_VALUES` numbers.
    """
    if bins * frames > MOST_VALUES:
        raise SpecError(
            f"a chunk of {samples} samples has {frames} frames of {bins} {name}; expected at most "
            f"{MOST_VALUES} numbers in a row",
            "shorten the chunk or raise `hop_length`",
        )
    return (bins, frames)
