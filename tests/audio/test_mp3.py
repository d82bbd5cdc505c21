"""MP3: every frame is found and decoded, whatever headers say; what is missing is named."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiospec.audio.decoders.mp3 import decode_mp3
from audiospec.audio.decoders.mpeg_frames import Kind, failed_checksums, parse, tag_frame, tag_of
from audiospec.audio.sniff import mpeg_frame_bytes
from audiospec.errors import AudioError
from audiospec.testing.audio import FORMATS, encode, noise, tone

MP3 = next(how for how in FORMATS if how.suffix == ".mp3")
Decode = Callable[..., Any]


def mp3(seconds: float = 2.0, rate: int = 44100, channels: int = 1, seed: int = 0) -> bytes:
    """An MP3 of a tone and noise, with a tag."""
    sound = tone(seconds, rate, hertz=rate / 50, level=0.3, channels=channels)
    return encode(sound + noise(seconds, rate, level=0.05, channels=channels, seed=seed), rate, MP3)


def starts(content: bytes) -> list[int]:
    """Where each frame of an MP3 begins, that of the tag included."""
    at, found = 0, []
    while at < len(content):
        found.append(at)
        length = mpeg_frame_bytes(content[at:])
        assert length
        at += length
    return found


def bare(content: bytes) -> bytes:
    """An MP3 without the frame of its tag."""
    return content[starts(content)[1] :]


def id3(size: int, *, footer: bool = False, fill: bytes = b"\0") -> bytes:
    """An ID3v2 tag of `size` bytes beside its header and footer."""
    digits = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    head = b"ID3\x04\0" + (b"\x10" if footer else b"\0") + digits
    return head + (fill * size)[:size] + (b"3DI" + head[3:] if footer else b"")


def counted(content: bytes, count: int) -> bytes:
    """An MP3 whose tag states another number of frames."""
    at = max(content.find(b"Info", 0, 100), content.find(b"Xing", 0, 100)) + 8
    return content[:at] + count.to_bytes(4) + content[at + 4 :]


def with_pyav(codec: str, sound: NDArray[np.float32], **settings: int) -> bytes:
    """Encode mono sound of 48 kHz with FFmpeg."""
    av = pytest.importorskip("av", reason="needs PyAV, the extra `av`")
    file = io.BytesIO()
    with av.open(file, "w", format=codec) as container:
        stream = container.add_stream(codec, rate=48000, **settings)
        stream.layout = "mono"
        convert = av.AudioResampler(format=stream.codec_context.format or "s16", layout="mono", rate=48000)
        frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        frame.sample_rate = 48000
        for part in (*convert.resample(frame), None):
            container.mux(stream.encode(part))
    return file.getvalue()


APE = b"APETAGEX\xd0\7\0\0" + (32 + 100).to_bytes(4, "little") + bytes(4) + b"\0\0\0\xa0" + bytes(8)
APE += bytes(100) + APE[:20] + b"\0\0\0\x80" + bytes(8)
TAGS_BEFORE = {
    "none": b"",
    "one": id3(1000),
    "two": id3(1000) + id3(4000),
    "four": id3(10) * 4,
    "footer": id3(500, footer=True),
    "large": id3(1 << 20, fill=b"\xff\xd8picture"),
    "zeros behind": id3(300) + bytes(5000),
    "frames in it": id3(3000, fill=b"\xff\xfb\x90\x00"),
    "short by its size": id3(300) + b"text of the tag" * 10,
}
TAGS_BEHIND = {
    "ID3v1": b"TAG" + bytes(125),
    "APE": APE,
    "APE and ID3v1": APE + b"TAG" + b"x" * 125,
    "lyrics": b"LYRICSBEGIN" + b"IND0000200" + b"000021" + b"LYRICS200" + b"TAG" + bytes(125),
    "zeros": bytes(9000),
    "few bytes": b"abcdefgh",
}


@pytest.mark.parametrize("tags", TAGS_BEFORE)
@pytest.mark.parametrize("tagged", [True, False], ids=["counted", "bare"])
def test_tags_at_the_start_move_no_sample(tags: str, tagged: bool, decoded: Decode) -> None:
    content = mp3() if tagged else bare(mp3())
    expected = decoded(content, decode_mp3)
    assert expected.info.exact
    assert expected.loss == ""
    assert len(expected) == expected.info.frames == (88200 if tagged else len(starts(content)) * 1152)
    got = decoded(TAGS_BEFORE[tags] + content, decode_mp3)
    assert got.loss == ""
    np.testing.assert_array_equal(got.samples, expected.samples)
    assert got.info == expected.info


@pytest.mark.parametrize("tags", TAGS_BEHIND)
@pytest.mark.parametrize("tagged", [True, False], ids=["counted", "bare"])
def test_tags_at_the_end_are_no_sound_and_no_damage(tags: str, tagged: bool, decoded: Decode) -> None:
    content = mp3() if tagged else bare(mp3())
    expected = decoded(content, decode_mp3)
    got = decoded(content + TAGS_BEHIND[tags], decode_mp3)
    assert got.loss == ""
    np.testing.assert_array_equal(got.samples, expected.samples)


@pytest.mark.parametrize("rate", MP3.rates)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_those_of_other_decoders(
    rate: int, channels: int, decoded: Decode, other: Decode
) -> None:
    content = mp3(1, rate, channels)
    plain = decoded(content, decode_mp3)
    assert plain.shapes == [(rate, channels)]
    np.testing.assert_allclose(plain.samples, other(content), atol=2e-5)
    # Without a tag no delay is known, and nothing is dropped.
    without = decoded(bare(content), decode_mp3)
    assert (
        len(without) == without.info.frames == len(starts(bare(content))) * (1152 if rate >= 32000 else 576)
    )
    np.testing.assert_allclose(without.samples, other(bare(content)), atol=2e-5)


def test_an_ordinary_file_gives_the_bits_of_soundfile(decoded: Decode, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    for content in (mp3(3, channels=2), id3(2000) + mp3(3)):
        path.write_bytes(content)
        expected = soundfile.read(path, dtype="float32", always_2d=True)[0]
        for most in (1 << 20, 5000):
            # libmpg123 is moved after each block, and rounds otherwise then.
            got = decoded(path, decode_mp3, most).samples
            np.testing.assert_allclose(got, expected, rtol=0, atol=0 if most > len(expected) else 1e-6)


@pytest.mark.parametrize("count", [0, 20, 50_000_000, (1 << 32) - 1])
def test_a_false_count_is_no_length(count: int, decoded: Decode) -> None:
    content = mp3()
    frames = len(starts(content)) - 1
    got = decoded(counted(content, count), decode_mp3)
    assert got.loss == "", "the tag's size is right: nothing is missing"
    # The delay is dropped, the padding is not: it was put behind another number of frames.
    tag = tag_of(content[: starts(content)[1]], Kind(3, 3, 44100, 1, False))
    assert tag is not None
    assert tag.frames == frames
    assert len(got) == got.info.frames == frames * 1152 - tag.delay - 529
    np.testing.assert_array_equal(got.samples[:88200], decoded(content, decode_mp3).samples)


def test_a_tag_without_a_count(decoded: Decode) -> None:
    content = bytearray(mp3())
    at = content.find(b"Info") if b"Info" in content[:100] else content.find(b"Xing")
    frames = len(starts(bytes(content))) - 1
    content[at + 4 : at + 8] = bytes(4)
    assert abs(len(decoded(bytes(content), decode_mp3)) - frames * 1152) < 4096


def test_flags_that_are_damaged_do_not_trim(decoded: Decode) -> None:
    content = mp3()
    whole = decoded(content, decode_mp3)
    at = max(content.find(b"Info"), content.find(b"Xing"))
    got = decoded(content[: at + 4] + bytes(4) + content[at + 8 :], decode_mp3)
    assert got.loss == ""
    assert len(whole) <= len(got) <= len(whole) + 3 * 1152


@pytest.mark.parametrize("lacking", [1.5, 3, 20])
def test_what_is_cut_is_named_with_how_much_is_there(lacking: float, decoded: Decode) -> None:
    content = mp3()
    where = starts(content)
    got = decoded(content[: where[-int(lacking) - 1] + (where[1] if lacking % 1 else 0)], decode_mp3)
    if lacking < 2:
        assert got.loss == "" or "truncated" in got.loss
        return
    assert got.first_loss == got.loss
    assert got.loss.startswith("truncated: the header announces ")
    assert got.loss.endswith(f" s, {len(got) / 44100:.3f} s are there")
    assert len(got) == got.info.frames


def test_a_part_of_the_last_frame_is_passed_over(decoded: Decode) -> None:
    content = bare(mp3())
    got = decoded(content[:-100], decode_mp3)
    assert got.loss == ""
    np.testing.assert_array_equal(got.samples, decoded(content, decode_mp3).samples[:-1152])


def joins() -> Iterator[tuple[str, list[bytes]]]:
    a, b = mp3(2), mp3(1.5, seed=1)
    yield "alike", [a, b]
    yield "bare", [bare(a), bare(b)]
    yield "counted, bare", [a, bare(b)]
    yield "id3 between", [a, id3(2000) + b]
    yield "id3v1 between", [a + b"TAG" + bytes(125), id3(100) + b]
    yield "other channels", [a, mp3(1, channels=2)]
    yield "other channels, bare", [bare(a), bare(mp3(1, channels=2))]
    yield "other rate", [a, mp3(1, 22050)]
    yield "other rate, bare", [bare(a), bare(mp3(1, 48000))]
    yield "three", [a, mp3(1, 8000), mp3(1, 32000, 2)]


@pytest.mark.parametrize("parts", [pytest.param(parts, id=name) for name, parts in joins()])
def test_joined_files_are_read_to_the_last_one(parts: list[bytes], decoded: Decode) -> None:
    got = decoded(b"".join(parts), decode_mp3)
    assert got.loss == ""
    alone = [decoded(bytes(part), decode_mp3) for part in parts]
    seconds = sum(len(part) / part.shapes[0][0] for part in alone)
    rate = alone[0].shapes[0][0]
    # Each part may keep its delay and padding.
    assert got.info.frames == pytest.approx(seconds * rate, abs=6000 * len(parts))
    assert got.info.frames >= round(seconds * rate) - 1
    shapes = [part.shapes[0] for part in alone]
    assert got.shapes == list(dict.fromkeys(shapes))
    assert got.info.exact == (len({rate for rate, _ in shapes}) == 1)
    if got.info.exact:
        assert len(got) == got.info.frames
    # The beginning and the end are those of the first and last part.
    first = alone[0].samples
    np.testing.assert_allclose(
        np.concatenate([x for x in got.blocks if x.shape[1] == first.shape[1]])[:60000],
        first[:60000],
        atol=1e-6,
    )


def test_a_file_joined_to_one_that_was_cut(decoded: Decode) -> None:
    a, b = mp3(2), mp3(1)
    frames = len(starts(a)) - 2
    got = decoded(a[:-100] + b, decode_mp3)
    assert "no frame" not in got.loss
    assert len(got) >= (frames - 1) * 1152 + 44100


@pytest.mark.parametrize("bit", range(32))
@pytest.mark.parametrize("which", [0, 1, 2, 40, -2])
def test_a_lost_bit_in_a_header_never_shifts_the_sound(bit: int, which: int, decoded: Decode) -> None:
    content = bytearray(bare(mp3()))
    expected = decoded(bytes(content), decode_mp3).samples
    at = starts(bytes(content))[which]
    content[at + bit // 8] ^= 0x80 >> bit % 8
    try:
        got = decoded(bytes(content), decode_mp3)
    except AudioError as error:
        got, reason = None, str(error)
    if got is None:
        assert reason.startswith("damaged: ")
        assert "0.000 s are there" in reason
    elif got.loss:
        assert got.loss.startswith("damaged: ")
        assert got.loss.endswith(f"{len(got) / 44100:.3f} s are there")
        assert len(got) <= (which % 80 + 1) * 1152
        np.testing.assert_allclose(got.samples[:-1152], expected[: len(got) - 1152], atol=1e-5)
    else:
        assert got.samples.shape == expected.shape
        different = np.flatnonzero(np.abs(got.samples - expected).max(axis=1) > 1e-4)
        assert not len(different) or different[-1] - different[0] < 4 * 1152


def test_a_hole_is_named(decoded: Decode) -> None:
    content = mp3(4)
    middle = starts(content)[70] + 1
    for hole in (bytes(64), b"noise" * 20, bytes(5000)):
        got = decoded(content[:middle] + hole + content[middle + len(hole) :], decode_mp3)
        assert got.loss.startswith("damaged: ")
        assert 60 * 1152 < len(got) <= 70 * 1152
        assert f"{len(got) / 44100:.3f} s are there" in got.loss
    removed = decoded(content[:middle] + content[middle + 300 :], decode_mp3)
    assert removed.loss.startswith("damaged: ")


def test_little_that_is_no_frame_before_the_first_is_passed_over(decoded: Decode) -> None:
    content = bare(mp3())
    expected = decoded(content, decode_mp3).samples
    for junk in (
        b"\r\nHTTP headers\r\n" * 20,
        content[starts(content)[3] + 50 : starts(content)[4]],
        bytes(700),
    ):
        got = decoded(junk + content, decode_mp3)
        assert got.loss == ""
        np.testing.assert_array_equal(got.samples, expected)


@pytest.mark.parametrize(
    "content", [b"\0", b"ID3", id3(500), b"RIFF" * 99, bytes(5000), b"\xff\xfb\x90\x00" * 9]
)
def test_other_content_is_refused(content: bytes, decoded: Decode) -> None:
    with pytest.raises(AudioError, match=r"^(not decodable|damaged): "):
        raise AudioError(decoded(content, decode_mp3).loss)


def with_checksums(content: bytes) -> bytes:
    """An MP3 whose frames carry checksums, which take the place of two bytes at the end of each."""
    where = [*starts(content), len(content)]
    frames = []
    for begin, end in pairwise(where):
        frame = bytearray(content[begin:end])
        frame[1] &= 0xFE
        frames.append(frame[:4] + b"\0\0" + frame[4:-2])
    result = bytearray(b"".join(frames))
    kind = parse(bytes(result[:4]))[0]  # type: ignore[index]
    for at in where[:-1]:
        result[at + 4 : at + 6] = checksum(bytes(result[at : at + 6 + kind.side_bytes])).to_bytes(2)
    return bytes(result)


def checksum(head: bytes) -> int:
    """The checksum of a layer III frame, bit by bit: x^16 + x^15 + x^2 + 1, from all ones."""
    crc = 0xFFFF
    for byte in head[2:4] + head[6:]:
        for bit in range(7, -1, -1):
            top = crc >> 15 ^ (byte >> bit & 1)
            crc = (crc << 1 & 0xFFFF) ^ (0x8005 if top else 0)
    return crc


def test_checksums_of_frames_are_checked(decoded: Decode) -> None:
    content = bytearray(with_checksums(bare(mp3())))
    whole = decoded(bytes(content), decode_mp3)
    assert whole.loss == ""
    at = starts(bytes(content))[30]
    content[at + 10] ^= 4  # in the side information
    got = decoded(bytes(content), decode_mp3)
    assert (
        got.loss
        == f"damaged: the frame at byte {at} has a wrong checksum; {30 * 1152 / 44100:.3f} s are there"
    )
    assert len(got) == 30 * 1152
    # An encoder that writes wrong checksums everywhere is believed in all else.
    broken = bytearray(with_checksums(bare(mp3())))
    for at in starts(bytes(broken)):
        broken[at + 4] ^= 0xFF
    assert decoded(bytes(broken), decode_mp3).loss == ""


def test_checksums_are_those_of_the_standard() -> None:
    content = with_checksums(bare(mp3(0.5)))
    kind = Kind(3, 3, 44100, 1, True)
    assert not failed_checksums(content, starts(content), kind).any()
    assert failed_checksums(bare(mp3(0.5)), [0], kind).all()


def test_frames_of_free_bitrate(decoded: Decode) -> None:
    # At 48 kHz frames have one length; without the bitrate in their headers they are of free bitrate.
    file = with_pyav("mp3", tone(1, 48000, hertz=1000, level=0.4), bit_rate=128_000)
    content = bytearray(bare(file[file.find(b"\xff\xfb") :]))
    where = starts(bytes(content))
    assert len(set(np.diff(where))) == 1
    expected = decoded(bytes(content), decode_mp3)
    for at in where:
        content[at + 2] &= 0x0F
    got = decoded(bytes(content), decode_mp3)
    assert got.loss == ""
    np.testing.assert_array_equal(got.samples, expected.samples)


def test_vbri_is_no_sound(decoded: Decode) -> None:
    content = bare(mp3())
    kind = Kind(3, 3, 44100, 1, False)
    frame = bytearray(len(tag_frame(kind, 1, b"")))
    frame[:4] = tag_frame(kind, 1, b"")[:4]
    count = len(starts(content))
    frame[36:54] = b"VBRI\0\1\0\0\0\0" + (len(content) + len(frame)).to_bytes(4) + count.to_bytes(4)
    got = decoded(bytes(frame) + content, decode_mp3)
    assert got.loss == ""
    np.testing.assert_array_equal(got.samples, decoded(content, decode_mp3).samples)
    cut = decoded(bytes(frame) + content[: len(content) // 2], decode_mp3)
    assert cut.loss.startswith("truncated: the header announces ")


@pytest.mark.parametrize("layer", [1, 2])
def test_layers_one_and_two(layer: int, decoded: Decode, other: Decode) -> None:
    if layer == 1:
        # A frame of silence: no bits are allocated.
        content = (b"\xff\xff\x94\xc0" + bytes(12 * 288000 // 48000 * 4 - 4)) * 50
        got = decoded(content, decode_mp3)
        assert got.loss == ""
        assert len(got) == 50 * 384
        return
    file = with_pyav("mp2", tone(1, 48000))
    got = decoded(file, decode_mp3)
    assert got.loss == ""
    np.testing.assert_allclose(got.samples, other(file)[: len(got)], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("mp3_plain.mp3", 529_200),
        ("2tags1000.mp3", 529_200),
        ("2tags4000.mp3", 529_200),
        ("xing_million.mp3", 529_967),
        ("xing_zero.mp3", 529_967),
        ("concat.mp3", 311_087),
    ],
)
def test_files_of_other_tools(name: str, samples: int, shared_inputs: Path, decoded: Decode) -> None:
    got = decoded(shared_inputs / name, decode_mp3)
    assert got.loss == ""
    assert len(got) == got.info.frames == samples
    if "tags" in name:
        plain = decoded(shared_inputs / "mp3_plain.mp3", decode_mp3)
        np.testing.assert_array_equal(got.samples, plain.samples)
