"""Recognise the container of an audio file by its first bytes, whatever its name is."""

from __future__ import annotations

from pathlib import Path

#: Bytes of a file's start that `container_of` needs.
HEAD_BYTES = 4096

#: Container → place and bytes that mark it. Containers of compressed frames without a header follow below.
_MAGIC: tuple[tuple[str, int, bytes], ...] = (
    ("wav", 8, b"WAVE"),
    ("avi", 8, b"AVI "),
    ("w64", 0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"),
    ("aiff", 8, b"AIFF"),
    ("aiff", 8, b"AIFC"),
    ("svx", 8, b"8SVX"),
    ("svx", 8, b"16SV"),
    ("au", 0, b".snd"),
    ("au", 0, b"dns."),
    ("caf", 0, b"caff"),
    ("flac", 0, b"fLaC"),
    ("ogg", 0, b"OggS"),
    ("mp4", 4, b"ftyp"),
    ("mp4", 4, b"moov"),
    ("mp4", 4, b"mdat"),
    ("matroska", 0, b"\x1a\x45\xdf\xa3"),
    ("asf", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    ("wavpack", 0, b"wvpk"),
    ("ape", 0, b"MAC "),
    ("tta", 0, b"TTA1"),
    ("tak", 0, b"tBaK"),
    ("musepack", 0, b"MPCK"),
    ("musepack", 0, b"MP+"),
    ("amr", 0, b"#!AMR"),
    ("sphere", 0, b"NIST_1A"),
    ("voc", 0, b"Creative Voice File\x1a"),
    ("dts", 0, b"\x7f\xfe\x80\x01"),
    ("dts", 0, b"\xfe\x7f\x01\x80"),
    ("dts", 0, b"\x1f\xff\xe8\x00"),
    ("dts", 0, b"\xff\x1f\x00\xe8"),
    ("ac3", 0, b"\x0b\x77"),
    ("flv", 0, b"FLV\x01"),
    ("realmedia", 0, b".RMF"),
    ("dsf", 0, b"DSD "),
    ("dff", 0, b"FRM8"),
    ("ircam", 0, b"\x64\xa3"),
    ("paf", 0, b" paf"),
    ("paf", 0, b"fap "),
    ("mat", 0, b"MATLAB 5.0 MAT-file"),
    ("avr", 0, b"2BIT"),
    ("mpeg-ps", 0, b"\x00\x00\x01\xba"),
)
#: Containers whose mark is also checked at the start of the file, with the form type behind it.
_FORMS = {
    "wav": (b"RIFF", b"RIFX", b"RF64", b"BW64"),
    "avi": (b"RIFF",),
    "aiff": (b"FORM",),
    "svx": (b"FORM",),
}
#: Containers that may hold sound but seldom do, or whose mark is short: a suffix has to agree.
_UNSURE = {"mat", "ircam", "paf", "avr"}


def container_of(head: bytes) -> str:
    """Return the container that a file's first bytes are of, such as ``"wav"``; ``""`` if none is known.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES` of the file, or all of it.
    """
    for name, place, mark in _MAGIC:
        if head.startswith(mark, place) and head.startswith(_FORMS.get(name, b"")):
            return name
    if head.startswith(b"ID3"):
        return "mp3"
    return _frames(head)


def is_sound(path: Path) -> bool:
    """Whether the first bytes of a file are those of a container of sound; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    return container_of(head) not in ({""} | _UNSURE)


def _frames(head: bytes) -> str:
    """Recognise streams of frames without a header by two consecutive frames: MPEG audio, and AAC in ADTS."""
    if len(head) < 8 or head[0] != 0xFF:
        return ""
    if head[1] & 0xF6 == 0xF0:  # ADTS: 12 bits of sync, layer 0
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        follows = head[length : length + 2]
        return "aac" if length > 7 and follows[:1] == b"\xff" and follows[1] & 0xF6 == 0xF0 else ""
    length = mpeg_frame_bytes(head)
    if length and (mpeg_frame_bytes(head[length:]) or len(head) <= length):
        return "mp3"
    return ""


#: Bitrates in kbit/s by index 1 to 14, for MPEG-1 layers I, II, III and MPEG-2 layer I, then II and III.
_BITRATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def mpeg_frame_bytes(head: bytes) -> int:
    """Return the length in bytes of the MPEG audio frame that begins with `head`; 0 if none does.

    Source: ISO/IEC 11172-3 and 13818-3, the header of a frame. Frames of free bitrate are not recognised.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    mpeg1 = version == 3
    hertz = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * _BITRATES[mpeg1, layer][bitrate - 1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return 4 * (12 * bits // hertz + padding)
    samples = 1152 if mpeg1 or layer == 2 else 576
    return samples // 8 * bits // hertz + padding
