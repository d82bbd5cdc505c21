"""Recognise the container of an audio file by its first bytes, whatever its name is."""

from __future__ import annotations

from pathlib import Path

#: Bytes of a file's start that `container_of` needs.
HEAD_BYTES = 4096
#: Bytes of a file's start that `begins_sound` needs.
SOUND_BYTES = 4 * HEAD_BYTES

#: Container → place and bytes that mark it. Containers of compressed frames without a header follow below.
#: Marks that are also words of a text ("caff", "dns.", "MAC ") have more bytes here, or a check in `_CHECKS`.
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
    ("caf", 0, b"caff\x00\x01"),
    ("flac", 0, b"fLaC"),
    ("ogg", 0, b"OggS\x00"),
    ("mp4", 4, b"ftyp"),
    ("mp4", 4, b"moov"),
    ("mp4", 4, b"mdat"),
    ("mp4", 4, b"wide"),
    ("mp4", 4, b"free"),
    ("mp4", 4, b"skip"),
    ("mp4", 4, b"pnot"),
    ("matroska", 0, b"\x1a\x45\xdf\xa3"),
    ("asf", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    ("wavpack", 0, b"wvpk"),
    ("ape", 0, b"MAC "),
    ("tta", 0, b"TTA1"),
    ("tak", 0, b"tBaK"),
    ("musepack", 0, b"MPCKSH"),
    ("musepack", 0, b"MP+\x07"),
    ("musepack", 0, b"MP+\x17"),
    ("amr", 0, b"#!AMR"),
    ("sphere", 0, b"NIST_1A"),
    ("shorten", 0, b"ajkg"),
    ("voc", 0, b"Creative Voice File\x1a"),
    ("dts", 0, b"\x7f\xfe\x80\x01"),
    ("dts", 0, b"\xfe\x7f\x01\x80"),
    ("dts", 0, b"\x1f\xff\xe8\x00"),
    ("dts", 0, b"\xff\x1f\x00\xe8"),
    ("dts", 0, b"DTSHDHDR"),
    ("flv", 0, b"FLV\x01"),
    ("realmedia", 0, b".RMF\x00"),
    ("realmedia", 0, b".ra\xfd"),
    ("dsf", 0, b"DSD \x1c\x00\x00\x00"),
    ("dff", 12, b"DSD "),
    ("qoa", 0, b"qoaf"),
    ("sox", 0, b".SoX"),
    ("sox", 0, b"XoS."),
    ("nut", 0, b"nut/multimedia container\x00"),
    ("pvf", 0, b"PVF1\n"),
    ("wve", 0, b"ALawSoundFile**\x00"),
    ("xi", 0, b"Extended Instrument: "),
    ("ircam", 0, b"\x64\xa3"),
    ("paf", 0, b" paf"),
    ("paf", 0, b"fap "),
    ("mat", 0, b"MATLAB 5.0 MAT-file"),
    ("avr", 0, b"2BIT"),
    ("sds", 0, b"\xf0\x7e"),
    ("mpeg-ps", 0, b"\x00\x00\x01\xba"),
)
#: Containers whose mark is also checked at the start of the file, with the form type behind it.
_FORMS = {
    "wav": (b"RIFF", b"RIFX", b"RF64", b"BW64"),
    "avi": (b"RIFF",),
    "aiff": (b"FORM",),
    "svx": (b"FORM",),
    "dff": (b"FRM8",),
}
#: Brands of an ``ftyp`` box that stand for pictures: HEIF, AVIF, JPEG 2000, JPEG XL, Canon's raw.
_PICTURES = (b"hei", b"hev", b"mif", b"msf", b"avi", b"jp2", b"jpx", b"jpm", b"jxl", b"crx")
#: Bytes of a box that may begin an old QuickTime file. "free" and "wide" are also words of texts, where the
#: size is a very large number.
_LARGEST_BOX = 1 << 29
#: Containers that may hold sound but seldom do, or whose mark is short: the suffix has to agree.
_UNSURE = {
    "mat": (),  # mostly tables of features and labels
    "ircam": (".sf", ".ircam"),
    "paf": (".paf", ".fap"),
    "avr": (".avr",),
    "sds": (".sds",),
}


def container_of(head: bytes) -> str:
    """Return the container that a file's first bytes are of, such as ``"wav"``; ``""`` if none is known.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES` of the file, or all of it.
    """
    for name, place, mark in _MAGIC:
        if (
            head.startswith(mark, place)
            and head.startswith(_FORMS.get(name, b""))
            and (name not in _CHECKS or _CHECKS[name](head))
        ):
            return name
    if _is_id3(head):
        return "mp3"
    return _frames(head)


def is_sound(path: Path) -> bool:
    """Whether the first bytes of a file are those of a container of sound; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(SOUND_BYTES)
    except OSError:
        return False
    return begins_sound(head, path.suffix)


def begins_sound(head: bytes, suffix: str) -> bool:
    """Whether bytes are the first of a container of sound.

    The suffix is not looked at, except for containers with a short mark. Frames of MPEG audio or AAC are
    also found behind other bytes, if three of a kind follow each other.

    Parameters
    ----------
    head : bytes
        The first `SOUND_BYTES` of the file, or all of it.
    suffix : str
        Of the file's name, such as ``".sf"``.
    """
    name = container_of(head[:HEAD_BYTES])
    if name in _UNSURE:
        return suffix.lower() in _UNSURE[name]
    return bool(name) or _has_frames(head)


def _is_au(head: bytes) -> bool:
    """Whether the data of an AU file begins behind a header of 24 bytes or more, not where text would say."""
    place = int.from_bytes(head[4:8], "big" if head.startswith(b".") else "little")
    return 24 <= place < 1 << 24


def _is_mp4(head: bytes) -> bool:
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if kind == b"ftyp":
        return 8 <= size < 1 << 16 and not head[8:11].startswith(_PICTURES)
    return kind == b"mdat" or 8 <= size < _LARGEST_BOX


def _is_ape(head: bytes) -> bool:
    """Whether a version of Monkey's Audio follows, which is 3.x as a number of thousandths."""
    return 3000 <= int.from_bytes(head[4:6], "little") < 5000


_CHECKS = {"au": _is_au, "mp4": _is_mp4, "ape": _is_ape}


def _is_id3(head: bytes) -> bool:
    """Whether a tag of ID3v2 begins: a version below 16, and a size in bytes of seven bits."""
    return (
        head.startswith(b"ID3")
        and len(head) >= 10
        and head[3] < 16
        and head[4] < 255
        and max(head[6:10]) < 128
    )


def _frames(head: bytes) -> str:
    """Recognise streams of frames without a header by two consecutive frames; see `_FRAME_BYTES`."""
    for name, frame_bytes in _FRAME_BYTES.items():
        length = frame_bytes(head)
        beyond = len(head) >= HEAD_BYTES and length + 8 > len(head)  # the next frame begins behind `head`
        if length and (len(head) == length or beyond or frame_bytes(head[length:])):
            return name
    if head[:1] == b"\x47" and len(head) >= 377 and head[188] == head[376] == 0x47:
        return "mpeg-ts"
    return ""


def _has_frames(head: bytes) -> bool:
    """Whether three frames of MPEG audio or AAC with the same rate follow each other, at any place."""
    place = head.find(b"\xff")
    while place >= 0:
        for frame_bytes in (mpeg_frame_bytes, _adts_frame_bytes):
            at, frames = place, 0
            while (
                (length := frame_bytes(head[at : at + 8]))
                # The same version, layer and sampling rate; the bitrate may change.
                and head[at + 1] | 1 == head[place + 1] | 1
                and head[at + 2] & 0x0C == head[place + 2] & 0x0C
            ):
                at, frames = at + length, frames + 1
                if frames == 3:
                    return True
        place = head.find(b"\xff", place + 1)
    return False


def _adts_frame_bytes(head: bytes) -> int:
    """Return the length in bytes of the AAC frame in ADTS that begins with `head`; 0 if none does.

    Source: ISO/IEC 13818-7, 6.2: 12 bits of sync, layer 0, an index of the sampling rate below 13.
    """
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else 0


def _loas_frame_bytes(head: bytes) -> int:
    """Return the length in bytes of the frame of AAC in LOAS that begins with `head`; 0 if none does.

    Source: ISO/IEC 14496-3, 1.7: 11 bits of sync, 0x2B7, and 13 bits of length.
    """
    if len(head) < 3 or head[0] != 0x56 or head[1] & 0xE0 != 0xE0:
        return 0
    length = (head[1] & 0x1F) << 8 | head[2]
    return 3 + length if length else 0


def _ac3_frame_bytes(head: bytes) -> int:
    """Return the length in bytes of the frame of AC-3 or E-AC-3 that begins with `head`; 0 if none does.

    Source: ETSI TS 102 366 (ATSC A/52), 4.3 and table 4.13 for AC-3, annex E.1.2 for E-AC-3.
    """
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return 0
    version, rate = head[5] >> 3, head[4] >> 6
    if 10 < version <= 16:
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    code = head[4] & 63
    if version > 10 or rate == 3 or code > 37:
        return 0
    bits = 1000 * _AC3_BITRATES[code >> 1]
    if rate == 1:  # 44100 Hz: the last bit of the code is a word of padding
        return 2 * (bits * 96 // 44100 + (code & 1))
    return 2 * (bits * 96 // (48000, 0, 32000)[rate])


#: Bitrates of AC-3 in kbit/s.
_AC3_BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


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


#: Streams of frames without a header → the length in bytes of the frame that begins with some bytes, or 0.
_FRAME_BYTES = {
    "ac3": _ac3_frame_bytes,
    "aac": _adts_frame_bytes,
    "aac-loas": _loas_frame_bytes,
    "mp3": mpeg_frame_bytes,
}
