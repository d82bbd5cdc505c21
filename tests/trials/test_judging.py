"""The judge of the mutants: what it lets pass, and that each of its reasons can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiospec.benchmarks.trials.mutants.changes import Change, change
from audiospec.benchmarks.trials.mutants.judging import REASONS, Sound, align, judge
from audiospec.benchmarks.trials.mutants.sounds import KINDS, Original, original

pytest.importorskip("av", reason="originals are written by PyAV's encoders")

MP3, WAV, FLAC = (next(kind for kind in KINDS if kind.name == name) for name in ("mp3-plain", "wav", "flac"))
NOWHERE = Path("/nonexistent")


def _sound(kind: Any, variant: int = 0) -> Sound:
    file = original(kind, 3, variant, NOWHERE)
    random = np.random.default_rng(variant)
    last = file.packets[-1][1] + kind.frame
    return Sound(file, (0.1 * random.standard_normal(last)).astype(np.float32), 0, 0)


def _flip(sound: Sound, share: float) -> Change:
    size = len(sound.file.content)
    at = int(size * share)
    return Change(bytes(size), [(0, 0, at), (0, at + 1, size)], "a bit", at)


def _judge(sound: Sound, change: Change, ours: Any, theirs: Any, errors: tuple[str, ...] = ()) -> Any:
    info = {"rate": 44100, "announced": len(ours), "exact": True, "samples": len(ours)}
    other = {"rate": 44100, "samples": len(theirs), "errors": list(errors)}
    return judge(sound, sound, change, info, ours, other, theirs)[:2]


def test_equal_samples_are_equal() -> None:
    sound = _sound(MP3)
    assert _judge(sound, _flip(sound, 0.5), sound.samples, sound.samples) == ("equal", "")


def test_differences_near_the_damage_are_concealed_and_others_are_not() -> None:
    sound = _sound(MP3)
    flip = _flip(sound, 0.5)
    middle = next(sample for place, sample in sound.file.packets if place >= flip.first)
    ours, theirs = sound.samples.copy(), sound.samples.copy()
    ours[middle : middle + 500] = 0
    theirs[middle : middle + 500] *= -1
    assert _judge(sound, flip, ours, theirs) == ("explained", "concealed")
    far = ours.copy()
    far[100:400] = 0
    assert _judge(sound, flip, far, theirs)[0] == "unexplained"
    short = ours[: middle + 6 * MP3.neighbourhood // 5]
    assert _judge(sound, flip, short, theirs)[0] == "unexplained"


def test_another_decoder_that_fails_excuses_only_who_has_all() -> None:
    sound = _sound(MP3)
    flip = _flip(sound, 0.5)
    nothing = np.zeros(0, np.float32)
    verdict = _judge(sound, flip, sound.samples, nothing, ("Invalid data",))
    assert verdict == ("explained", "other decoder lost sound")
    half = sound.samples[: len(sound.samples) // 3]
    assert _judge(sound, flip, half, nothing, ("Invalid data",))[0] == "unexplained"


def test_sound_that_both_lose_is_not_equal() -> None:
    sound = _sound(MP3)
    half = sound.samples[: len(sound.samples) // 3]
    assert _judge(sound, _flip(sound, 0.9), half, half, ("Invalid data",))[0] == "unexplained"
    assert _judge(sound, _flip(sound, 0.9), half, half) == ("explained", "no decoder sees it")
    checked = _sound(FLAC)
    other = checked.samples.copy()
    other[3000] += 0.5
    assert _judge(checked, _flip(checked, 0.5), other, other)[0] == "unexplained"
    plain = _sound(WAV)
    other = plain.samples.copy()
    other[3000] += 0.5
    assert _judge(plain, _flip(plain, 0.5), other, other) == ("equal", "")


def test_a_frame_at_the_end_and_what_is_behind_the_end() -> None:
    sound = _sound(MP3)
    cut = Change(b"", [(0, 0, len(sound.file.content))], "cut", len(sound.file.content))
    longer = np.concatenate([sound.samples, np.ones(1000, np.float32)])
    assert _judge(sound, cut, sound.samples, longer) == ("explained", "last frame")
    much_longer = np.concatenate([sound.samples, np.ones(9000, np.float32)])
    assert _judge(sound, cut, sound.samples, much_longer)[1] != "last frame"
    plain = _sound(WAV)
    behind = Change(b"", [(0, 0, len(plain.file.content))], "junk behind", len(plain.file.content))
    longer = np.concatenate([plain.samples, np.ones(9000, np.float32)])
    assert _judge(plain, behind, plain.samples, longer) == ("explained", "behind the end")
    assert _judge(plain, behind, plain.samples[:-900], longer)[0] == "unexplained"


def test_a_false_exact_length_or_rate_is_unexplained() -> None:
    sound = _sound(WAV)
    info = {"rate": 44100, "announced": len(sound.samples) + 1, "exact": True, "samples": len(sound.samples)}
    other = {"rate": 44100, "samples": len(sound.samples), "errors": []}
    flip = _flip(sound, 0.5)
    assert judge(sound, sound, flip, info, sound.samples, other, sound.samples)[0] == "unexplained"
    info["announced"] -= 1
    other["rate"] = 48000
    assert judge(sound, sound, flip, info, sound.samples, other, sound.samples)[0] == "unexplained"


def test_a_joined_file_has_to_be_there() -> None:
    sound, joined = _sound(MP3), _sound(MP3, 1)
    sizes = len(sound.file.content), len(joined.file.content)
    both = Change(b"", [(0, 0, sizes[0]), (1, 0, sizes[1])], "joined", sizes[0])
    whole = np.concatenate([sound.samples, joined.samples])
    other = {"rate": 44100, "samples": len(whole), "errors": []}
    info = {"rate": 44100, "announced": 0, "exact": False, "samples": 0}
    assert judge(sound, joined, both, info, whole, other, whole)[0] == "equal"
    assert judge(sound, joined, both, info, sound.samples, other, whole)[0] == "unexplained"


def test_alignment_finds_the_delay() -> None:
    random = np.random.default_rng(0)
    ours = random.standard_normal(20_000).astype(np.float32)
    theirs = np.concatenate([np.zeros(529, np.float32), ours, np.zeros(100, np.float32)])
    assert align(ours, theirs) == (529, 629)
    with pytest.raises(RuntimeError, match="no alignment"):
        align(ours, random.standard_normal(20_000).astype(np.float32))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_originals_and_changes_are_the_same_for_the_same_seed(kind: Any) -> None:
    import random

    file, other = (original(kind, 5, variant, NOWHERE) for variant in (0, 1))
    again = original.__wrapped__(kind, 5, 0, NOWHERE)
    assert isinstance(again, Original)
    assert again.content == file.content
    assert len(file.places) >= 2
    made = [change(file, other, random.Random(number)) for number in range(60)]
    assert made == [change(file, other, random.Random(number)) for number in range(60)]
    for one in made:
        kept = b"".join((file, other)[which].content[begin:end] for which, begin, end in one.pieces)
        assert len(kept) <= len(one.content)
    if kind.suffix == ".ogg":
        info = soundfile.info(__import__("io").BytesIO(file.content))
        assert info.frames > 40_000


def test_a_false_size_excuses_only_who_has_every_byte() -> None:
    file = original(WAV, 3, 0, NOWHERE)
    start = file.packets[0][0]
    samples = np.frombuffer(file.content[start:], "<i2").astype(np.float32) / 32768
    sound = Sound(file, samples, 0, 0)
    content = bytearray(file.content)
    content[40:44] = (8000).to_bytes(4, "little")
    size = len(content)
    false = Change(bytes(content), [(0, 0, 40), (0, 44, size)], "a size", 40)
    half = len(samples) // 2
    inside = file.content[: start + 2 * half] + b"\1\2" * 500 + file.content[start + 2 * half :]
    pieces = [(0, 0, start + 2 * half), (0, start + 2 * half, size)]
    more = Change(inside, pieces, "bytes", start + 2 * half)
    wave = np.frombuffer(inside[start:], "<i2").astype(np.float32) / 32768
    assert _judge(sound, more, wave, wave[: len(samples)]) == ("explained", "past a false size")
    assert _judge(sound, more, np.roll(wave, 1), wave[: len(samples)])[0] == "unexplained"
    assert _judge(sound, more, wave[:-700], wave[: len(samples) // 3])[0] == "unexplained"
    assert _judge(sound, more, wave[: len(samples)], wave)[1] == "behind the end"
    assert _judge(sound, false, samples, samples[:4000]) == ("explained", "past a false size")
    assert _judge(sound, false, samples[:4000], samples)[0] == "unexplained"
    joined = Change(inside, [(0, 0, size), (1, 0, 44)], "joined", size)
    assert _judge(sound, joined, wave, wave[: len(samples)])[0] == "unexplained"


def test_what_was_not_changed_is_equal() -> None:
    sound = _sound(FLAC)
    content, size = sound.file.content, len(sound.file.content)
    same = Change(
        content, [(0, 0, 90), (0, 99, size), (0, 90, 99), (0, size, size)], "swapped for itself", 90
    )
    assert _judge(sound, same, sound.samples, sound.samples) == ("equal", "")


def test_the_list_of_reasons_is_short() -> None:
    assert len(REASONS) == 7
