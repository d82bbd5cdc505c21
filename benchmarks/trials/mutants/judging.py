"""Judge what audiospec made of a mutant: by an independent decoder, and by the file before it was changed.

An accepted file has to agree with the independent decoder, sample by sample. If it does not, one of `REASONS`
has to hold, each of which is checked; if none does, the difference is unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.benchmarks.trials.mutants.changes import Change
from audiospec.benchmarks.trials.mutants.sounds import Kind, Original

Samples = NDArray[np.float32]

#: Every reason for which two decoders may differ over an accepted file, and what is checked.
REASONS = {
    "last frame": "the same samples, but one decoder gives up to a frame more at the end",
    "first frame": "the same samples, but one decoder gives up to a frame more at the start",
    "behind the end": "all up to the length in the header; the other decoder reads on, or stops there too",
    "past a false size": "every byte is decoded as the number that it is; the other decoder stops at a size",
    "concealed": "both have all intact sound in its order and differ only near the damaged bytes",
    "other decoder lost sound": "audiospec has all intact sound; the other reports an error, or has not",
    "no decoder sees it": "a codec without checksums: same samples from both, and the other reports no error",
}
#: Samples that a search for a shifted piece compares.
_WINDOW = 4096
#: Samples over which the difference from the original is averaged.
_BLOCK = 512


@dataclass(frozen=True)
class Sound:
    """A decoded original: its samples as audiospec has them, and how the other decoder's lie beside them.

    Attributes
    ----------
    file : Original
    samples : ndarray, shape (n,), float32
    lead : int
        Samples that the other decoder has before the first of audiospec's; negative: that it lacks.
    extra : int
        Samples that the other decoder has more of in all.
    """

    file: Original
    samples: Samples
    lead: int
    extra: int

    def span(self, begin: int, end: int, shrink: int) -> tuple[int, int]:
        """Return the samples that the bytes from `begin` to `end` hold, without `shrink` at damaged edges."""
        packets, size, count = self.file.packets, len(self.file.content), len(self.samples)
        first, last = 0, count
        if begin > packets[0][0]:
            first = next((sample for place, sample in packets if place >= begin), count) + shrink
        if end < size:
            whole = [sample for place, sample in packets if place <= end]
            last = (whole[-1] if whole else 0) - shrink
            if self.file.kind.is_plain and whole:
                place = max(place for place, _ in packets if place <= end)
                last += self._samples_between(place, end)
        return max(0, first), min(count, max(last, 0))

    def _samples_between(self, place: int, end: int) -> int:
        """Return how many samples of a plain format lie between two bytes of its data."""
        start = self.file.packets[0][0]
        width = (len(self.file.content) - start) / max(1, len(self.samples))
        return int((end - place) / width)


def align(ours: Samples, theirs: Samples) -> tuple[int, int]:
    """Return `Sound.lead` and `Sound.extra` of an unchanged file.

    Raises
    ------
    RuntimeError
        The two do not hold the same sound.
    """
    middle = len(ours) // 2
    window = ours[middle : middle + _WINDOW]
    at = _find(window, theirs, middle, 6000)
    if at is None:
        raise RuntimeError(f"no alignment of {len(ours)} and {len(theirs)} samples")
    return at - middle, len(theirs) - len(ours)


def judge(
    before: Sound, joined: Sound, change: Change, ours: dict[str, Any], wave: Samples, other: dict[str, Any],
    theirs: Samples,
) -> tuple[str, str, str]:  # fmt: skip
    """Return outcome, reason and detail of an accepted mutant.

    Parameters
    ----------
    before, joined : Sound
        The original, and the file that may have been joined to it.
    change : Change
    ours, other : dict
        What `by_audiospec` and `by_others` returned for the mutant.
    wave, theirs : ndarray, shape (n,), float32
        The samples.
    """
    kind = before.file.kind
    if ours["exact"] and ours["announced"] != len(wave):
        return "unexplained", "", f"announced as exactly {ours['announced']} samples, decoded {len(wave)}"
    if other["samples"] and abs(other["rate"] - ours["rate"]) > 1:  # AIFF's need not be a whole number
        return "unexplained", "", f"{ours['rate']} Hz, {other['rate']} Hz by the other decoder"
    compared, missing = _compare(before, wave, theirs)
    kept = _keeps(before, joined, change, wave)
    file = before.file
    outside = change.first < file.packets[0][0] or file.sound_end <= change.first < len(file.content)
    in_header = outside and file.content[:4] != b"OggS"  # whose headers are under checksums, too
    is_in_place = len(change.content) == len(before.file.content) and len(change.pieces) == 2
    is_checked = kind.checked == "whole" or (kind.checked == "frames" and is_in_place)
    if is_in_place and any(
        place <= change.first and change.pieces[1][1] <= place + kind.bare for place, _ in file.packets
    ):
        is_checked = False
    if is_checked and not in_header and not kept:
        kept = _sealed(before, joined, change, wave)
    # The header says where the sound ends: what is behind that is none of it.
    as_announced = kind.bounded and len(wave) == len(before.samples)
    if compared == "same":
        behind = change.first >= len(before.file.content)
        if as_announced and behind and kept and _equal(wave, before.samples, kind.tolerance):
            return "explained", "behind the end", kept
        if not kept or in_header or kind.is_plain:  # of a plain format, other numbers are stored
            return "equal", "", ""
        if not is_checked and not other["errors"]:
            return "explained", "no decoder sees it", kept
        return "unexplained", "", f"both decoders lost sound in silence: {kept}"
    if compared in ("last frame", "first frame") and not (kept and is_checked):
        return "explained", compared, missing
    if as_announced and kind.is_plain and _equal(wave, theirs[: len(wave)], kind.tolerance):
        return "explained", "behind the end", missing
    alone = all(which == 0 for which, _, _ in change.pieces)
    if kind.is_plain and alone and len(theirs) < len(wave):
        stored = _stored(before, change.content)
        if _equal(wave, stored, kind.tolerance) and _equal(theirs, stored[: len(theirs)], kind.tolerance):
            return "explained", "past a false size", missing
    if not kept:
        lost = _keeps(before, joined, change, theirs, before.lead)
        if other["errors"] or lost:
            return "explained", "other decoder lost sound", "; ".join([*other["errors"][:1], lost])
        return "explained", "concealed", missing
    return "unexplained", "", f"{missing}; {kept}" + (f"; {other['errors'][0]}" if other["errors"] else "")


def _sealed(before: Sound, joined: Sound, change: Change, wave: Samples) -> str:
    """Return how a mutant of a checked kind differs from whole originals, or from what is before a cut."""
    whole = before.samples
    tolerance = before.file.kind.tolerance
    if len(change.pieces) == 1 and len(wave) <= len(whole):  # cut: what follows cannot be known
        whole = whole[: len(wave)]
    elif change.pieces[-1][0] == 1:
        whole = np.concatenate([whole, joined.samples])
    if len(wave) == len(whole) and _equal(wave, whole, tolerance):
        return ""
    count = min(len(wave), len(whole))
    differing = np.flatnonzero(~_close(wave[:count], whole[:count], tolerance))
    where = f", others from {differing[0]}" if len(differing) else ""
    return f"under checksums, yet {len(wave)} samples instead of {len(whole)}{where}"


def _stored(before: Sound, content: bytes) -> Samples:
    """Return what the bytes of a plain format are as numbers, from where samples begin to the file's end."""
    start = before.file.packets[0][0]
    for form, channels in product(("<i2", ">i2", "<f4", ">f4"), (1, 2)):
        original, changed = (
            _numbers(data[start:], form, channels) for data in (before.file.content, content)
        )
        count = min(len(original), len(before.samples))
        if count and _equal(original[:count], before.samples, before.file.kind.tolerance):
            return changed
    return np.zeros(0, np.float32)


def _numbers(data: bytes, form: str, channels: int) -> Samples:
    kind = np.dtype(form)
    count = len(data) // (kind.itemsize * channels)
    values = np.frombuffer(data, kind, count * channels).reshape(count, channels)
    with np.errstate(all="ignore"):  # not all of them are numbers if the form is another one
        mean = values.mean(axis=1, dtype=np.float64) / (32768 if kind.kind == "i" else 1)
        numbers: Samples = mean.astype(np.float32)
    return numbers


def _compare(before: Sound, ours: Samples, theirs: Samples) -> tuple[str, str]:
    """Return ``"same"``, ``"last frame"``, ``"first frame"`` or ``"other"``, and what differs."""
    kind = before.file.kind
    extra = len(theirs) - len(ours)
    for lead in dict.fromkeys((before.lead, 0, extra, before.lead + extra - before.extra)):
        a = ours[max(0, -lead) :]
        b = theirs[max(0, lead) :]
        count = min(len(a), len(b))
        if not count or not _equal(a[:count], b[:count], kind.tolerance):
            continue
        if lead == before.lead and extra == before.extra:
            return "same", ""
        what = f"{len(ours)} samples, {len(theirs)} by the other decoder, the same from sample {lead}"
        frame = max(kind.frame, 64)
        behind = abs((extra - lead) - (before.extra - before.lead))
        if behind <= frame and abs(lead - before.lead) <= frame:
            return ("last frame" if lead == before.lead else "first frame"), what
        return "other", what
    a, b = ours[max(0, -before.lead) :], theirs[max(0, before.lead) :]
    count = min(len(a), len(b))
    differing = np.flatnonzero(~_close(a[:count], b[:count], kind.tolerance))
    first = f", first different at {differing[0]}" if len(differing) else ""
    return "other", f"{len(ours)} samples, {len(theirs)} by the other decoder{first}"


def _close(a: Samples, b: Samples, tolerance: float) -> NDArray[np.bool_]:
    """Return where two sounds agree: within the rounding of the larger one, at least of full scale."""
    scale = np.maximum(1.0, np.abs(b))
    close: NDArray[np.bool_] = np.abs(a.astype(np.float64) - b) <= (tolerance + 1e-6) * scale
    return close


def _equal(a: Samples, b: Samples, tolerance: float) -> bool:
    return len(a) == len(b) and bool(_close(a, b, tolerance).all())


def _keeps(before: Sound, joined: Sound, change: Change, wave: Samples, lead: int = 0) -> str:
    """Return what is missing of the intact pieces in a decoded mutant; ``""`` if all are there, in order."""
    kind = before.file.kind
    near = kind.neighbourhood
    content = before.file.content
    is_in_place = change.pieces == sorted(change.pieces) and len(change.content) == len(content)
    if (is_in_place or change.content == content) and _equal(wave, before.samples, kind.tolerance):
        return ""  # all is there: nothing was touched, or nothing that is heard
    place, doubt = max(lead, 0), near if len(change.pieces) > 1 else kind.frame
    expected = place
    for number, (which, begin, end) in enumerate(change.pieces):
        sound = (before, joined)[which]
        first, last = sound.span(begin, end, near)
        whole_first, whole_last = sound.span(begin, end, 0)
        if whole_last <= whole_first:
            continue
        expected += first - whole_first
        if last - first >= _BLOCK:
            piece = sound.samples[first:last]
            found = _where(piece, wave, expected, doubt * (number + 1) + abs(before.lead), kind, first + lead)
            if found is None:
                return f"samples {first} to {last} of the original are not at {expected}"
            expected = found
        expected += whole_last - first
    return "" if abs(len(wave) - expected) <= (len(change.pieces) + 1) * near + abs(before.extra) else (
        f"{len(wave)} samples instead of {expected}"
    )  # fmt: skip


def _where(piece: Samples, wave: Samples, expected: int, doubt: int, kind: Kind, home: int) -> int | None:
    """Return where a piece of the original lies in a wave, near where it is expected; None if nowhere.

    `home` is its place in the original: tried first, as is `expected`, as music repeats itself.
    """
    for place in (home, expected):
        if abs(place - expected) <= doubt and _alike(piece, wave[max(0, place) :][: len(piece)], kind):
            return place
    middle = max(0, len(piece) // 2 - _WINDOW // 2)
    loudest = piece[middle : middle + _WINDOW]
    at = _find(loudest, wave, expected + middle, doubt)
    if at is None:
        return None
    start = at - middle
    # A decoder may give fewer samples at the very start and at the very end.
    cut, end = max(0, -start), min(len(piece), len(wave) - start)
    if cut > kind.frame + 64 or len(piece) - end > kind.frame + 64:
        return None
    return start if _alike(piece[cut:end], wave[start + cut : start + end], kind) else None


def _alike(a: Samples, b: Samples, kind: Kind) -> bool:
    """Whether two sounds are the same up to the kind's tolerance and drift."""
    if len(a) != len(b):
        return False
    if not kind.drift:
        return _equal(a, b, kind.tolerance)
    count = len(a) // _BLOCK * _BLOCK
    blocks, apart = (x[:count].astype(np.float64).reshape(-1, _BLOCK) for x in (a, a - b))
    rms, error = (np.sqrt((x**2).mean(axis=1)) for x in (blocks, apart))
    return bool((error <= kind.tolerance + kind.drift * (rms + 0.1 * rms.max(initial=0.0))).all())


def _find(window: Samples, wave: Samples, expected: int, doubt: int) -> int | None:
    """Return where a window lies in a wave, at most `doubt` from where it is expected; None if nowhere."""
    low = max(0, expected - doubt)
    area = wave[low : expected + doubt + len(window)]
    if len(area) < len(window) or not len(window):
        return None
    if not window.any():  # silence is alike everywhere
        return min(max(expected, 0), len(wave) - len(window))
    size = 1 << (len(area) + len(window)).bit_length()
    spectrum = np.fft.rfft(area, size) * np.conj(np.fft.rfft(window, size))
    product = np.fft.irfft(spectrum, size)[: len(area) - len(window) + 1]
    squares = np.concatenate([[0.0], np.cumsum(area.astype(np.float64) ** 2)])
    energy = np.sqrt(np.maximum(squares[len(window) :] - squares[: -len(window)], 1e-20))
    likeness = product / energy / np.sqrt((window.astype(np.float64) ** 2).sum())
    best = int(np.argmax(likeness))
    return low + best if likeness[best] > 0.9 else None
