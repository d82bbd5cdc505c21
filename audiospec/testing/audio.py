"""Tiny audio for tests: tones and noise in any format, and files that no decoder should trust.

Needs nothing but soundfile; `write_m4a` needs PyAV.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Format:
    """One way to write audio with libsndfile.

    Attributes
    ----------
    suffix : str
        Of the file's name, with the dot.
    format, subtype : str
        As soundfile calls them.
    lossless : bool
        Whether what is read is what was written, to the format's own resolution.
    rates : tuple of int
        Sample rates in Hz that the format can hold; empty: any.
    channels : int
        The most channels that it can hold.
    """

    suffix: str
    format: str
    subtype: str
    lossless: bool = True
    rates: tuple[int, ...] = ()
    channels: int = 6

    def __str__(self) -> str:
        return f"{self.format}-{self.subtype}".lower()


_WHOLE = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")

#: Every format that the README promises, with every depth.
FORMATS: tuple[Format, ...] = (
    *(Format(".wav", "WAV", subtype) for subtype in ("PCM_U8", *_WHOLE)),
    *(Format(".au", "AU", subtype) for subtype in ("PCM_S8", *_WHOLE)),
    *(Format(".aiff", "AIFF", subtype) for subtype in ("PCM_S8", *_WHOLE)),
    *(Format(".flac", "FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24")),
    Format(".ogg", "OGG", "VORBIS", lossless=False),
    Format(".opus", "OGG", "OPUS", lossless=False, rates=(8000, 12000, 16000, 24000, 48000)),
    Format(
        ".mp3",
        "MP3",
        "MPEG_LAYER_III",
        lossless=False,
        rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        channels=2,
    ),
)


def tone(
    seconds: float = 1.0,
    sample_rate: int = 22050,
    *,
    hertz: float = 440.0,
    level: float = 0.5,
    channels: int = 1,
) -> Samples:
    """Make a sine.

    Parameters
    ----------
    seconds : float
        Length.
    sample_rate : int
        Hz.
    hertz : float
        Frequency; below half of `sample_rate`.
    level : float
        Amplitude; full scale is 1.
    channels : int
        With more than one, channel c is c times as loud as the first, and all of them have `level` as
        their mean, so that mixing to mono gives the same sine.

    Returns
    -------
    ndarray, shape (samples,) or (samples, channels), float32
    """
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = level * np.sin(2 * np.pi * hertz * time)
    if channels == 1:
        return wave.astype(np.float32)
    share = np.arange(1, channels + 1)
    return np.outer(wave, share / share.mean()).astype(np.float32)


def noise(
    seconds: float = 1.0, sample_rate: int = 22050, *, level: float = 0.1, channels: int = 1, seed: int = 0
) -> Samples:
    """Make white Gaussian noise, cut at full scale.

    Parameters
    ----------
    seconds : float
        Length.
    sample_rate : int
        Hz.
    level : float
        Standard deviation; full scale is 1.
    channels : int
        Independent channels.
    seed : int
        Of the generator.

    Returns
    -------
    ndarray, shape (samples,) or (samples, channels), float32
    """
    shape = (round(seconds * sample_rate), channels)
    drawn = level * np.random.default_rng(seed).standard_normal(shape)
    wave = drawn.clip(-1, 0.999).astype(np.float32)
    return wave[:, 0] if channels == 1 else wave


def encode(samples: Samples, sample_rate: int = 22050, how: Format = FORMATS[1]) -> bytes:
    """Encode samples (n,) or (n, channels); return the file's bytes."""
    file = BytesIO()
    soundfile.write(file, samples, sample_rate, format=how.format, subtype=how.subtype)
    return file.getvalue()


def write(path: Path, samples: Samples, sample_rate: int = 22050, how: Format = FORMATS[1]) -> Path:
    """Write samples (n,) or (n, channels) to a file, 16-bit WAV unless told otherwise; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(samples, sample_rate, how))
    return path


def write_m4a(path: Path, samples: Samples, sample_rate: int = 44100) -> Path:
    """Write mono samples (n,) as AAC in an MP4 container; return the path.

    Raises
    ------
    ImportError
        PyAV is not installed.
    """
    import av

    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=sample_rate)
        stream.layout = "mono"
        for first in range(0, len(samples), 1024):
            part = np.ascontiguousarray(samples[None, first : first + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sample_rate, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def wav(
    data: bytes,
    sample_rate: int = 22050,
    *,
    channels: int = 1,
    bits: int = 16,
    code: int = 1,
    announced: int | None = None,
) -> bytes:
    """Put a WAV header before `data`, honest or not.

    Parameters
    ----------
    data : bytes
        The samples.
    sample_rate, channels, bits : int
        What the header says; any number that fits its field.
    code : int
        Format: 1 is whole numbers, 3 is floating point.
    announced : int or None
        How many bytes of samples the header announces. None: as many as there are. 0xFFFFFFFF is what a
        program writes that cannot know yet, because its output is a pipe.

    Returns
    -------
    bytes
        The file.
    """
    size = len(data) if announced is None else announced
    block = channels * bits // 8 & 0xFFFF
    shape = struct.pack(
        "<IHHIIHH", 16, code, channels, sample_rate, sample_rate * block & 0xFFFFFFFF, block, bits
    )
    riff = struct.pack("<I", min(36 + size, 0xFFFFFFFF))
    return b"RIFF" + riff + b"WAVEfmt " + shape + b"data" + struct.pack("<I", size) + data


def without_xing(mp3: bytes) -> bytes:
    """Take the first frame, which counts the others, from an MP3 file of 44.1 kHz."""
    rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    if mp3[:2] not in (b"\xff\xfb", b"\xff\xfa") or mp3[2] & 0x0C:
        raise ValueError("expected MPEG-1 layer III at 44.1 kHz from its first byte")
    return mp3[144000 * rates[mp3[2] >> 4] // 44100 + (mp3[2] >> 1 & 1) :]


def damage(file: bytes, *, at: float = 0.5, length: int = 200, seed: int = 0) -> bytes:
    """Overwrite `length` bytes with noise, from the share `at` (0 to 1) of the file on."""
    first = int(len(file) * at)
    noise = np.random.default_rng(seed).bytes(min(length, len(file) - first))
    return file[:first] + noise + file[first + len(noise) :]


def _floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def _whole() -> dict[str, bytes]:
    """A second of sound in each kind of file, by the first word of its name."""
    sound = noise(1.0, 44100)
    chosen = {
        "wav": ("WAV", "PCM_16"),
        "au": ("AU", "PCM_16"),
        "aiff": ("AIFF", "PCM_16"),
        "flac": ("FLAC", "PCM_16"),
        "ogg": ("OGG", "VORBIS"),
        "mp3": ("MP3", "MPEG_LAYER_III"),
    }
    files = {
        name: encode(sound, 44100, Format("", format, subtype)) for name, (format, subtype) in chosen.items()
    }
    files["opus"] = encode(sound, 48000, Format("", "OGG", "OPUS"))
    files["w64"] = encode(sound, 44100, Format("", "W64", "PCM_16"))
    files["rf64"] = encode(sound, 44100, Format("", "RF64", "PCM_16"))
    files["caf"] = encode(sound, 44100, Format("", "CAF", "PCM_16"))
    return files


def hostile() -> dict[str, tuple[bytes, str]]:
    """Files that no decoder should trust.

    Returns
    -------
    dict of str to (bytes, str)
        File name → its bytes, and the words with which the error about it begins: more than one choice
        is separated by ``|``; an empty text says that the file is sound after all, and must decode.
    """
    whole = _whole()
    random = np.random.default_rng(1).bytes
    pcm = (tone(0.1) * 32767).astype("<i2").tobytes()
    id3 = b"ID3\x04\0\0\0\0\x07\x68" + bytes(1000)
    files = {
        "empty.wav": (b"", "empty"),
        "one-byte.wav": (b"R", "not decodable"),
        "text.wav": (b"Lorem ipsum dolor sit amet\n" * 200, "not decodable"),
        "page.mp3": (b"<!DOCTYPE html><html><body>404</body></html>" * 50, "not decodable"),
        # libsndfile takes these suffixes for headerless sound, if it is told the name.
        "random.au": (random(20000), "not decodable"),
        "random.snd": (random(20000), "not decodable"),
        "random.gsm": (random(20000), "not decodable"),
        "random.vox": (random(20000), "not decodable"),
        "random.raw": (random(20000), "not decodable|no audio"),
        "header-only.wav": (whole["wav"][:44], "truncated"),
        "half-header.wav": (whole["wav"][:30], "not decodable"),
        "half-header.aiff": (whole["aiff"][:30], "not decodable"),
        "no-samples.wav": (wav(b""), "no audio"),
        "half-sample.wav": (wav(b"a"), "no audio"),
        "one-sample.wav": (wav(b"\1\1"), ""),
        "silent.wav": (wav(bytes(20000)), "silent"),
        "silent.flac": (encode(np.zeros(5000, np.float32), how=Format("", "FLAC", "PCM_16")), "silent"),
        "opposed.wav": (wav(np.array([[99, -99]] * 500, "<i2").tobytes(), channels=2), "silent"),
        "nan.wav": (wav(_floats(0, 1, float("nan"), 0), code=3, bits=32), "not finite"),
        "inf.wav": (wav(_floats(0, float("-inf"), 0, 0), code=3, bits=32), "not finite"),
        "both-inf.wav": (
            wav(_floats(float("inf"), float("-inf")), code=3, bits=32, channels=2),
            "not finite",
        ),
        "huge.wav": (wav(_floats(0, 1e30, -1e30, 0), code=3, bits=32), "out of range"),
        "loud.wav": (wav(_floats(0, 1e17, -1e17, 0), code=3, bits=32), "out of range"),
        "huge-stereo.wav": (wav(_floats(3e38, 3e38, 0, 0), code=3, bits=32, channels=2), "not finite"),
        "double-inf.wav": (wav(np.array([0, 1e300], "<f8").tobytes(), code=3, bits=64), "not finite"),
        "rate-0.wav": (wav(pcm, 0), "not decodable"),
        "rate-negative.wav": (wav(pcm, 0xFFFFFFFF), "not decodable"),
        "channels-0.wav": (wav(pcm, channels=0), "not decodable"),
        "channels-65535.wav": (wav(pcm, channels=0xFFFF), "not decodable"),
        "bits-0.wav": (wav(pcm, bits=0), "not decodable"),
        "announces-1-gb.wav": (wav(pcm, announced=1 << 30), "truncated"),
        "piped.wav": (wav(pcm, announced=0xFFFFFFFF), ""),
        "piped-sox.wav": (wav(pcm, announced=0x7FFFFFFF - 36), ""),
        "with-id3.mp3": (id3 + whole["mp3"], ""),
        "without-xing.mp3": (without_xing(whole["mp3"]), ""),
        "with-id3-without-xing.mp3": (id3 + without_xing(whole["mp3"]), ""),
        "damaged.flac": (damage(whole["flac"]), "damaged|truncated"),
        "damaged.mp3": (damage(whole["mp3"]), "damaged|truncated"),
        "damaged.opus": (damage(whole["opus"]), "not decodable|damaged|truncated"),
    }
    cut = "truncated|damaged|not decodable"
    reasons = {"wav": "truncated", "au": "truncated", "aiff": "truncated", "mp3": "truncated"}
    for name, file in whole.items():
        files[f"truncated.{name}"] = (file[: len(file) * 2 // 3], reasons.get(name, cut))
    # An Ogg file that lacks nothing but a part of its last page.
    for name in ("ogg", "opus"):
        files[f"last-page.{name}"] = (whole[name][:-10], cut)
    return files


def write_hostile(folder: Path) -> dict[str, str]:
    """Write the files of `hostile` into a folder; return the words with which each one's error begins."""
    folder.mkdir(parents=True, exist_ok=True)
    files = hostile()
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: words for name, (_, words) in files.items()}
