"""Small audio files for tests: tones and noise in any format, and hostile files.

Only soundfile is needed, and PyAV for `write_m4a`.
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
    """A file format and encoding in which libsndfile writes audio.

    Attributes
    ----------
    suffix : str
        Suffix of the file's name, with the dot.
    format, subtype : str
        Names that soundfile uses.
    lossless : bool
        Whether reading gives what was written, to the format's resolution.
    rates : tuple of int
        Sample rates in Hz that the format supports; empty: any.
    channels : int
        The most channels that tests use with the format.
    """

    suffix: str
    format: str
    subtype: str
    lossless: bool = True
    rates: tuple[int, ...] = ()
    channels: int = 6

    def __str__(self) -> str:
        return f"{self.format}-{self.subtype}".lower()


_DEPTHS = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")

#: Every format that the README promises, with every depth.
FORMATS: tuple[Format, ...] = (
    *(Format(".wav", "WAV", subtype) for subtype in ("PCM_U8", *_DEPTHS)),
    *(Format(".au", "AU", subtype) for subtype in ("PCM_S8", *_DEPTHS)),
    *(Format(".aiff", "AIFF", subtype) for subtype in ("PCM_S8", *_DEPTHS)),
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
    """Return a sine.

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
        With more than one, channel c (from 1) has c times the amplitude of the first. Their mean has
        amplitude `level`, so mixing to mono gives the sine of a single channel.

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
    """Return white Gaussian noise, clipped at full scale.

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
        Seed of the random generator.

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
    """Write samples (n,) or (n, channels) to a file, by default as 16-bit WAV; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(samples, sample_rate, how))
    return path


def write_noise_folder(folder: Path, tracks: int, sample_rate: int) -> Path:
    """Write tracks of 6 s of noise as WAV, by turns in the folders ``a`` and ``b``, always the same."""
    for number in range(tracks):
        path = folder / "ab"[number % 2] / f"{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = 0.1 * np.random.default_rng(number).standard_normal(sample_rate * 6)
        soundfile.write(path, samples, sample_rate)
    return folder


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
    """Return a WAV file of `data`, with a header that may be wrong.

    Parameters
    ----------
    data : bytes
        The samples.
    sample_rate, channels, bits : int
        Values in the header; any number that fits the field.
    code : int
        Format: 1 for integers, 3 for floating point.
    announced : int or None
        Bytes of samples that the header announces. None: the length of `data`. A program whose output is
        a pipe cannot know it and writes 0xFFFFFFFF.

    Returns
    -------
    bytes
        Content of the file.
    """
    size = len(data) if announced is None else announced
    block = channels * bits // 8 & 0xFFFF
    shape = struct.pack(
        "<IHHIIHH", 16, code, channels, sample_rate, sample_rate * block & 0xFFFFFFFF, block, bits
    )
    riff = struct.pack("<I", min(36 + size, 0xFFFFFFFF))
    return b"RIFF" + riff + b"WAVEfmt " + shape + b"data" + struct.pack("<I", size) + data


def without_xing(mp3: bytes) -> bytes:
    """Return an MP3 file of 44.1 kHz without its first frame, which states the number of frames."""
    rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    if mp3[:2] not in (b"\xff\xfb", b"\xff\xfa") or mp3[2] & 0x0C:
        raise ValueError("expected MPEG-1 layer III at 44.1 kHz from its first byte")
    return mp3[144000 * rates[mp3[2] >> 4] // 44100 + (mp3[2] >> 1 & 1) :]


def damage(file: bytes, *, at: float = 0.5, length: int = 200, seed: int = 0) -> bytes:
    """Return a file with `length` bytes overwritten by noise, starting at the share `at` (0 to 1)."""
    first = int(len(file) * at)
    replaced = np.random.default_rng(seed).bytes(min(length, len(file) - first))
    return file[:first] + replaced + file[first + len(replaced) :]


def _floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def _intact() -> dict[str, bytes]:
    """Return a second of audio in each file format, by suffix."""
    sound = noise(1.0, 44100)
    formats = {
        "wav": ("WAV", "PCM_16"),
        "au": ("AU", "PCM_16"),
        "aiff": ("AIFF", "PCM_16"),
        "flac": ("FLAC", "PCM_16"),
        "ogg": ("OGG", "VORBIS"),
        "mp3": ("MP3", "MPEG_LAYER_III"),
    }
    files = {
        name: encode(sound, 44100, Format("", format, subtype)) for name, (format, subtype) in formats.items()
    }
    files["opus"] = encode(sound, 48000, Format("", "OGG", "OPUS"))
    files["w64"] = encode(sound, 44100, Format("", "W64", "PCM_16"))
    files["rf64"] = encode(sound, 44100, Format("", "RF64", "PCM_16"))
    files["caf"] = encode(sound, 44100, Format("", "CAF", "PCM_16"))
    return files


def hostile() -> dict[str, tuple[bytes, str]]:
    """Return files that are empty, damaged, truncated or not audio, and odd files that must decode.

    Returns
    -------
    dict of str to (bytes, str)
        File name → its bytes, and the beginning of the error about it. Alternatives are separated by
        ``|``. An empty text means that the file must decode.
    """
    intact = _intact()
    random = np.random.default_rng(1).bytes
    pcm = (tone(0.1) * 32767).astype("<i2").tobytes()
    id3 = b"ID3\x04\0\0\0\0\x07\x68" + bytes(1000)
    files = {
        "empty.wav": (b"", "empty"),
        "one-byte.wav": (b"R", "not decodable"),
        "text.wav": (b"Lorem ipsum dolor sit amet\n" * 200, "not decodable"),
        "page.mp3": (b"<!DOCTYPE html><html><body>404</body></html>" * 50, "not decodable"),
        # If libsndfile is given such a name, it takes any bytes for audio without a header.
        "random.au": (random(20000), "not decodable"),
        "random.snd": (random(20000), "not decodable"),
        "random.gsm": (random(20000), "not decodable"),
        "random.vox": (random(20000), "not decodable"),
        "random.raw": (random(20000), "not decodable|no audio"),
        "header-only.wav": (intact["wav"][:44], "truncated"),
        "half-header.wav": (intact["wav"][:30], "not decodable"),
        "half-header.aiff": (intact["aiff"][:30], "not decodable"),
        "no-samples.wav": (wav(b""), "no audio"),
        "half-sample.wav": (wav(b"a"), "no audio"),
        "one-sample.wav": (wav(b"\1\1"), ""),
        "constant.wav": (wav(b"\1\1" * 500), "silent"),
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
        "channels-65535.wav": (wav(pcm, channels=0xFFFF), "damaged"),
        "bits-0.wav": (wav(pcm, bits=0), "not decodable"),
        "announces-1-gb.wav": (wav(pcm, announced=1 << 30), "truncated"),
        "piped.wav": (wav(pcm, announced=0xFFFFFFFF), ""),
        "piped-sox.wav": (wav(pcm, announced=0x7FFFFFFF - 36), ""),
        "with-id3.mp3": (id3 + intact["mp3"], ""),
        "without-xing.mp3": (without_xing(intact["mp3"]), ""),
        "with-id3-without-xing.mp3": (id3 + without_xing(intact["mp3"]), ""),
        "damaged.flac": (damage(intact["flac"]), "damaged|truncated"),
        "damaged.mp3": (damage(intact["mp3"]), "damaged|truncated"),
        "damaged.opus": (damage(intact["opus"]), "not decodable|damaged|truncated"),
    }
    default = "truncated|damaged|not decodable"
    reasons = {"wav": "truncated", "au": "truncated", "aiff": "truncated", "mp3": "truncated"}
    for name, file in intact.items():
        files[f"truncated.{name}"] = (file[: len(file) * 2 // 3], reasons.get(name, default))
    # An Ogg file of which only a part of the last page is missing.
    for name in ("ogg", "opus"):
        files[f"last-page.{name}"] = (intact[name][:-10], default)
    return files


def write_hostile(folder: Path) -> dict[str, str]:
    """Write the files of `hostile` to a folder; return the beginning of the error about each."""
    folder.mkdir(parents=True, exist_ok=True)
    files = hostile()
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: words for name, (_, words) in files.items()}
