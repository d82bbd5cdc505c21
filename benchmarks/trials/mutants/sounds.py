"""Originals: short music-like clips in seventeen formats, the same bytes for the same seed."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]
#: Names and values of an encoder's or a container's options.
Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Kind:
    """A format of files, and what may be expected of its decoders.

    Attributes
    ----------
    name, suffix : str
    writer : tuple
        ``("sndfile", format, subtype)`` or ``("av", codec, container, its options, the codec's)``.
    rate : int
        Sample rate of the clips in Hz.
    frame : int
        Samples in a frame of the codec; 1 for PCM.
    reach : int
        Frames before and after a damaged byte in which decoders may conceal what they lack: those that a bit
        reservoir, an overlap or a search for the next frame can touch.
    tolerance : float
        Largest difference of two decoders of the same bytes, for full scale ±1: their rounding.
    drift : float
        RMS of what a decoder may add after a place of damage, as a share of the sound's: its noise
        generator or its prediction goes on from another state.
    checked : str
        ``"frames"`` if each frame has a checksum, so that none may be accepted that is not what was written;
        ``"whole"`` if frames are numbered, too, so that none may be missing or in another place.
    bare : int
        Bytes at the start of each frame that its checksum does not cover.
    bounded : bool
        Whether the container says where its sound ends, so that what is behind is none of it.
    """

    name: str
    suffix: str
    writer: tuple[Any, ...]
    rate: int = 44100
    frame: int = 1
    reach: int = 0
    tolerance: float = 0.0
    drift: float = 0.0
    checked: str = ""
    bounded: bool = False
    bare: int = 0

    @property
    def neighbourhood(self) -> int:
        """Samples beside a damaged byte in which decoders may differ."""
        return max(64, self.frame * self.reach)

    @property
    def is_plain(self) -> bool:
        """Whether samples are stored as numbers, so that a byte more moves all that follow."""
        return self.frame == 1


_PLAIN = (("write_xing", "0"), ("id3v2_version", "0"))
#: Without noise from a generator, which goes on from another state after a place of damage.
_AAC = (("aac_pns", "0"),)

#: All formats; every one has a decoder in a plain installation with the extra ``av``.
KINDS: tuple[Kind, ...] = (
    Kind("wav", ".wav", ("sndfile", "WAV", "PCM_16"), bounded=True),
    Kind("wav-float", ".wav", ("sndfile", "WAV", "FLOAT"), bounded=True),
    Kind("aiff", ".aiff", ("sndfile", "AIFF", "PCM_16"), bounded=True),
    Kind("au", ".au", ("sndfile", "AU", "PCM_16"), bounded=True),
    Kind("caf", ".caf", ("sndfile", "CAF", "PCM_16"), bounded=True),
    Kind("flac", ".flac", ("sndfile", "FLAC", "PCM_16"), frame=4096, reach=1, checked="whole"),
    Kind(
        "vorbis", ".ogg", ("sndfile", "OGG", "VORBIS"), frame=1024, reach=3, tolerance=2e-4, checked="whole"
    ),
    Kind("opus", ".opus", ("av", "libopus", "ogg"), 48000, 960, 6, 2e-3, checked="whole"),
    Kind("mp3", ".mp3", ("av", "libmp3lame", "mp3"), frame=1152, reach=5, tolerance=2e-4),
    Kind("mp3-plain", ".mp3", ("av", "libmp3lame", "mp3", _PLAIN), frame=1152, reach=5, tolerance=2e-4),
    Kind("m4a", ".m4a", ("av", "aac", "ipod", (), _AAC), frame=1024, reach=4, tolerance=2e-4, bounded=True),
    Kind("alac", ".m4a", ("av", "alac", "ipod"), frame=4096, reach=1, bounded=True),
    Kind("adts", ".aac", ("av", "aac", "adts", (), _AAC), frame=1024, reach=4, tolerance=2e-4),
    Kind(
        "ac3", ".ac3", ("av", "ac3", "ac3"), frame=1536, reach=3, tolerance=2e-4, drift=0.35, checked="frames"
    ),
    Kind("wma", ".wma", ("av", "wmav2", "asf"), frame=2048, reach=5, tolerance=2e-4, drift=0.1, bounded=True),
    Kind(
        "wavpack",
        ".wv",
        ("av", "wavpack", "wv"),
        frame=22050,
        reach=1,
        checked="whole",
        bounded=True,
        bare=32,
    ),
    Kind("tta", ".tta", ("av", "tta", "tta"), frame=46080, reach=1, checked="whole", bounded=True),
)


@dataclass(frozen=True)
class Original:
    """An unchanged file.

    Attributes
    ----------
    kind : Kind
    content : bytes
    """

    kind: Kind
    content: bytes

    @property
    def packets(self) -> list[tuple[int, int]]:
        """Byte and first sample of each packet, in order; packets that begin at one byte are one."""
        return self._packets[0]

    @property
    def sound_end(self) -> int:
        """The end of the last packet: only a header or a tag may follow."""
        return self._packets[1]

    @cached_property
    def _packets(self) -> tuple[list[tuple[int, int]], int]:
        import av

        starts: dict[int, int] = {}
        end = 0
        with av.open(io.BytesIO(self.content), "r") as container:
            stream: Any = container.streams.audio[0]
            for packet in container.demux(stream):
                if packet.size and packet.pos is not None and packet.pts is not None:
                    sample = round(float(packet.pts * stream.time_base) * self.kind.rate)
                    starts.setdefault(packet.pos, max(0, sample))
                    end = max(end, packet.pos + packet.size)
        return sorted(starts.items()), end

    @property
    def places(self) -> list[int]:
        """The bytes where packets, pages or frames begin, and the end of the last."""
        return [place for place, _ in self.packets] + [len(self.content)]


@cache
def original(kind: Kind, seed: int, variant: int, data: Path) -> Original:
    """Make the file number `variant` of a kind: mono if that is even, stereo if it is odd."""
    samples = _clip(seed, variant, kind.rate, data)
    right = [0.5 * np.roll(samples, 97)] if variant % 2 else []
    samples = np.stack([samples, *right], axis=1)
    how, *rest = kind.writer
    content = _with_soundfile(samples, kind, *rest) if how == "sndfile" else _with_av(samples, kind, *rest)
    return Original(kind, content)


def _clip(seed: int, variant: int, rate: int, data: Path) -> Samples:
    """Return 1 to 1.6 s of music: real if there is any in `data`, else notes and noise."""
    random = np.random.default_rng([seed, variant])
    count = int(rate * random.uniform(1.0, 1.6))
    clips = sorted(data.glob("gtzan-clips/*/*.flac"))
    if clips:
        wave, _ = soundfile.read(clips[random.integers(len(clips))], dtype="float32")
        # Taken for the rate of the format: it is the bytes that matter, not the pitch.
        return np.resize(0.8 * wave, count).astype(np.float32)
    time = np.arange(count) / rate
    wave = 0.01 * random.standard_normal(count)
    for start in np.arange(0, count / rate, 0.17):
        since = np.clip(time - start, 0, None)
        pitch = 110 * 2 ** (random.integers(36) / 12)
        struck = np.where(time >= start, np.exp(-6 * since), 0)
        for harmonic in range(1, 6):
            wave += 0.2 / harmonic * struck * np.sin(2 * np.pi * harmonic * pitch * since)
        wave += 0.1 * struck**4 * random.standard_normal(count)
    notes: Samples = (0.7 * wave / np.abs(wave).max()).astype(np.float32)
    return notes


def _with_soundfile(samples: Samples, kind: Kind, format: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, kind.rate, format=format, subtype=subtype)
    content = file.getvalue()
    if (peak := content.find(b"PEAK", 0, 200)) > 0:  # its third number is the time
        content = content[: peak + 12] + bytes(4) + content[peak + 16 :]
    return _with_serial(content, 1) if format == "OGG" else content


def _with_av(
    samples: Samples,
    kind: Kind,
    codec: str,
    container: str,
    options: Options = (),
    codec_options: Options = (),
) -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container, options={"fflags": "bitexact", **dict(options)}) as output:
        stream: Any = output.add_stream(codec, rate=kind.rate, options=dict(codec_options))
        stream.layout = "mono" if samples.shape[1] == 1 else "stereo"
        stream.bit_rate = 96000 * samples.shape[1]
        context = stream.codec_context
        context.open()
        convert = av.AudioResampler(context.format.name, stream.layout, kind.rate)
        whole = av.AudioFrame.from_ndarray(samples.reshape(1, -1).copy(), "flt", stream.layout.name)
        whole.sample_rate, whole.pts = kind.rate, 0
        queue = av.AudioFifo()
        for part in convert.resample(whole):
            queue.write(part)
        at = 0
        while (frame := queue.read(context.frame_size or 4096, partial=True)) is not None:
            frame.pts = at
            at += frame.samples
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def ogg_pages(content: bytes) -> list[tuple[int, int]]:
    """Return first byte and end of each page of an intact Ogg file."""
    pages, at = [], 0
    while content[at : at + 4] == b"OggS":
        count = content[at + 26]
        end = at + 27 + count + sum(content[at + 27 : at + 27 + count])
        pages.append((at, end))
        at = end
    return pages


def _with_serial(content: bytes, serial: int) -> bytes:
    """Return an Ogg file whose stream has this number: libsndfile draws one by the clock."""
    parts = []
    for begin, end in ogg_pages(content):
        page = bytearray(content[begin:end])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", _ogg_crc(page))
        parts.append(bytes(page))
    return b"".join(parts)


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value >> 31 else 0)
            value &= 0xFFFFFFFF
        table.append(value)
    return table


_CRC = _crc_table()


def _ogg_crc(page: bytes | bytearray) -> int:
    """Return the checksum of an Ogg page (RFC 3533): polynomial 0x04C11DB7, from 0, not reflected."""
    value = 0
    for byte in page:
        value = (value << 8) & 0xFFFFFFFF ^ _CRC[value >> 24 ^ byte]
    return value
