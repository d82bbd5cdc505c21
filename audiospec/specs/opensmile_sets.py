"""The columns of openSMILE's feature sets, as openSMILE names them, so that a store needs no openSMILE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

_DELTA = "_de"
#: Functionals of the Geneva sets: those of pitch and loudness, and those of all others.
_TEN = (
    *("amean", "stddevNorm", "percentile20.0", "percentile50.0", "percentile80.0", "pctlrange0-2"),
    *("meanRisingSlope", "stddevRisingSlope", "meanFallingSlope", "stddevFallingSlope"),
)
_TWO = ("amean", "stddevNorm")
_QUARTILES = ("quartile1", "quartile2", "quartile3", "iqr1-2", "iqr2-3", "iqr1-3")
_EXTREMES = ("range", "maxPos", "minPos")
_PERCENTILES = ("percentile1.0", "percentile99.0", "pctlrange0-1")
_LEVELS = ("upleveltime25", "upleveltime50", "upleveltime75", "upleveltime90", "risetime", "leftctime")
_PREDICTION = ("lpgain", "lpc0", "lpc1", "lpc2", "lpc3", "lpc4")
_SEGMENTS = ("meanSegLen", "maxSegLen", "minSegLen", "segLenStddev")
_MOMENTS = ("stddev", "skewness", "kurtosis")
_REGRESSION = ("linregc1", "linregc2", "linregerrQ", "qregc1", "qregc2", "qregc3", "qregerrQ", "centroid")
_PEAKS = (
    *("meanPeakDist", "peakDistStddev", "peakRangeAbs", "peakRangeRel", "peakMeanAbs", "peakMeanMeanDist"),
    *("peakMeanRel", "minRangeRel", "meanRisingSlope", "stddevRisingSlope", "meanFallingSlope"),
    "stddevFallingSlope",
)


def _of(series: Iterable[str], functionals: Iterable[str]) -> Iterator[str]:
    functionals = tuple(functionals)
    return (f"{name}_{functional}" for name in series for functional in functionals)


def _numbered(name: str, first: int, last: int) -> list[str]:
    return [f"{name}[{number}]" for number in range(first, last + 1)]


def _geneva(extended: bool) -> Iterator[str]:
    """Columns of GeMAPS v01b, or of eGeMAPS v02, which has more (Eyben et al. 2016)."""
    cepstra = [f"mfcc{number}" for number in range(1, 5)] if extended else []
    flux = ["spectralFlux"] if extended else []
    yield from _of(["F0semitoneFrom27.5Hz_sma3nz"], _TEN)
    yield from _of(["loudness_sma3"], _TEN)
    yield from _of([f"{name}_sma3" for name in (*flux, *cepstra)], _TWO)
    voice = ["jitterLocal", "shimmerLocaldB", "HNRdBACF", "logRelF0-H1-H2", "logRelF0-H1-A3"]
    for formant in ("F1", "F2", "F3"):
        voice.append(f"{formant}frequency")
        if extended or formant == "F1":
            voice.append(f"{formant}bandwidth")
        voice.append(f"{formant}amplitudeLogRelF0")
    balance = ("alphaRatio{}", "hammarbergIndex{}", "slope{}0-500", "slope{}500-1500")
    voiced = [name.format("V") for name in balance] + [f"{name}V" for name in (*flux, *cepstra)]
    unvoiced = [name.format("UV") for name in balance] + [f"{name}UV" for name in flux]
    yield from _of([f"{name}_sma3nz" for name in (*voice, *voiced)], _TWO)
    yield from _of([f"{name}_sma3nz" for name in unvoiced], ["amean"])
    yield from ("loudnessPeaksPerSec", "VoicedSegmentsPerSec", "MeanVoicedSegmentLengthSec")
    yield from ("StddevVoicedSegmentLengthSec", "MeanUnvoicedSegmentLength", "StddevUnvoicedSegmentLength")
    if extended:
        yield "equivalentSoundLevel_dBp"


def _emobase() -> Iterator[str]:
    for end in ("_sma", f"_sma{_DELTA}"):
        series = [
            *(f"pcm_intensity{end}", f"pcm_loudness{end}"),
            *_numbered(f"mfcc{end}", 1, 12),
            *_numbered(f"lspFreq{end}", 0, 7),
            *(f"{name}{end}" for name in ("pcm_zcr", "voiceProb", "F0", "F0env")),
        ]
        yield from _of(
            series,
            (
                *("max", "min", "range", "maxPos", "minPos", "amean"),
                *("linregc1", "linregc2", "linregerrA", "linregerrQ", *_MOMENTS, *_QUARTILES),
            ),
        )


def _compare() -> Iterator[str]:
    """Columns of ComParE 2016 (Schuller et al. 2016; Weninger et al. 2013)."""
    spread = (*_EXTREMES, *_QUARTILES, *_PERCENTILES, *_MOMENTS)
    shape = (*spread, *_SEGMENTS, *_LEVELS, *_PREDICTION)
    energy = ("audspec_lengthL1norm", "audspecRasta_lengthL1norm", "pcm_RMSenergy", "pcm_zcr")
    roll_offs = tuple(f"spectralRollOff{percent}.0" for percent in (25, 50, 75, 90))
    spectrum = (
        *("fband250-650", "fband1000-4000", *roll_offs, "spectralFlux", "spectralCentroid"),
        *("spectralEntropy", "spectralVariance", "spectralSkewness", "spectralKurtosis", "spectralSlope"),
        *("psySharpness", "spectralHarmonicity"),
    )
    voice = ("F0final", "voicingFinalUnclipped", "jitterLocal", "jitterDDP", "shimmerLocal", "logHNR")

    def energies(end: str) -> list[str]:
        return [f"{name}{end}" for name in energy]

    def spectra(end: str) -> list[str]:
        magnitudes = [f"pcm_fftMag_{name}{end}" for name in spectrum]
        return [*_numbered(f"audSpec_Rfilt{end}", 0, 25), *magnitudes, *_numbered(f"mfcc{end}", 1, 14)]

    plain, delta = "_sma", f"_sma{_DELTA}"
    yield from _of([*energies(plain), *energies(delta), *spectra(plain), *spectra(delta)], shape)
    means = ("amean", "flatness", "posamean", "rqmean")
    yield from _of(
        [f"{name}{end}" for end in (plain, delta) for name in voice],
        (*means, *_EXTREMES, *_REGRESSION, *_QUARTILES, *_PERCENTILES, *_MOMENTS, *_LEVELS, *_PREDICTION),
    )
    lengths = ("nnz", "meanSegLen", "maxSegLen", "minSegLen", "segLenStddev")
    yield from _of([f"F0final{plain}"], [f"ff0_{name}" for name in lengths])
    yield from _of(
        [*energies(plain), *spectra(plain)], ("amean", "flatness", "rqmean", *_PEAKS, *_REGRESSION)
    )
    yield from _of([*energies(delta), *spectra(delta)], ("flatness", "posamean", "rqmean", *_PEAKS))


@cache
def columns_of(name: str) -> tuple[str, ...]:
    """Return the columns of a feature set: 88 of ``"eGeMAPSv02"``, 6373 of ``"ComParE_2016"``.

    Parameters
    ----------
    name : "eGeMAPSv02", "GeMAPSv01b", "ComParE_2016" or "emobase"
    """
    if name == "emobase":
        return tuple(_emobase())
    if name == "ComParE_2016":
        return tuple(_compare())
    return tuple(_geneva(extended=name == "eGeMAPSv02"))
