"""PyAV: containers that hold their own sound are decoded to their end, all others are refused."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.audio.decoders.raw import decode_with_pyav
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError
from audiospec.testing.audio import noise, tone

Decode = Callable[..., Any]
av = pytest.importorskip("av", reason="needs PyAV, the extra `av`")


def sound(seconds: float = 3.0, rate: int = 48000, channels: int = 1) -> NDArray[np.float32]:
    """A tone and noise (n, channels)."""
    both = tone(seconds, rate, level=0.3, channels=channels) + noise(seconds, rate, channels=channels)
    return both.reshape(-1, channels).astype(np.float32)


def encoded(
    codec: str, form: str, samples: NDArray[np.float32] | None = None, rate: int = 48000, **options: str
) -> bytes:
    """Encode samples (n, channels) with FFmpeg; `options` are those of the container."""
    samples = sound(rate=rate) if samples is None else samples
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    # By name: FFmpeg reads the file again to put a header first.
    with (
        tempfile.NamedTemporaryFile() as file,
        av.open(file.name, "w", format=form, options=options) as container,
    ):
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        if codec == "wmav2":
            stream.bit_rate = 64_000
        convert = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        for first in range(0, len(samples), 1024):
            part = np.ascontiguousarray(samples[first : first + 1024]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            for ready in convert.resample(frame):
                container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
        container.close()
        return Path(file.name).read_bytes()


FORMS = {
    "m4a": ("aac", "ipod"),
    "m4a-faststart": ("aac", "ipod"),
    "mov-alac": ("alac", "mov"),
    "adts": ("aac", "adts"),
    "ac3": ("ac3", "ac3"),
    "eac3": ("eac3", "eac3"),
    "wma": ("wmav2", "asf"),
    "mka": ("aac", "matroska"),
    "webm": ("libopus", "webm"),
    "tta": ("tta", "tta"),
    "wavpack": ("wavpack", "wv"),
    "voc": ("pcm_s16le", "voc"),
    "fragments": ("aac", "mp4"),
    "ts": ("aac", "mpegts"),
    "caf": ("alac", "caf"),
    "flv": ("aac", "flv"),
    "avi": ("ac3", "avi"),
}
OPTIONS = {
    "m4a-faststart": {"movflags": "faststart"},
    "fragments": {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"},
}


def form(name: str, **more: Any) -> bytes:
    """A file of one of `FORMS`."""
    codec, container = FORMS[name]
    if codec == "libopus" and codec not in av.codecs_available:
        codec = "opus"
    rate = 44100 if name in ("flv", "wma") else 48000
    return encoded(codec, container, more.get("samples", sound(rate=rate)), rate, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", FORMS)
def test_every_container_is_decoded_as_ffmpeg_does(name: str, decoded: Decode, other: Decode) -> None:
    content = form(name)
    got = decoded(content, decode_with_pyav)
    assert got.loss == ""
    np.testing.assert_allclose(got.samples, other(content), atol=1e-6)
    assert got.info.frames == pytest.approx(len(got), rel=0.1)
    small = decoded(content, decode_with_pyav, 700)
    np.testing.assert_array_equal(small.samples, got.samples)


@pytest.mark.parametrize("name", sorted({*FORMS} - {"ts", "fragments", "flv", "avi", "voc"}))
@pytest.mark.parametrize("share", [0.51, 0.9])
def test_what_is_cut_is_named_with_how_much_is_there(name: str, share: float, decoded: Decode) -> None:
    content = form(name)
    content = content[: round(len(content) * share)]
    raw = name in ("adts", "ac3", "eac3")
    try:
        got = decoded(content, decode_with_pyav)
    except AudioError as error:
        got, reason = None, str(error)
    if got is None:
        assert reason.startswith(("truncated: ", "damaged: ", "not decodable: "))
        assert not raw
        return
    rate = got.shapes[0][0] if got.blocks else 1
    if name == "adts":  # nothing states the length, and recorded streams end like this
        assert got.loss == ""
    else:
        assert got.loss.startswith(("truncated: ", "damaged: "))
        there = float(got.loss.removesuffix(" s are there").rpartition(" ")[2])
        assert got.loss.count(" s are there") == 1
        assert there == pytest.approx(len(got) / rate, abs=0.001)
    assert share * 3 * rate - 20_000 < len(got) < share * 3 * rate + 10_000 or not raw


@pytest.mark.parametrize("name", ["adts", "ac3", "eac3"])
def test_raw_frames_are_walked(name: str, decoded: Decode) -> None:
    content = form(name)
    whole = decoded(content, decode_with_pyav)
    for before in (b"ID3\x04\0\0\0\0\x01\0" + bytes(128), bytes(100)):
        np.testing.assert_array_equal(decoded(before + content, decode_with_pyav).samples, whole.samples)
    for behind in (b"TAG" + bytes(125), bytes(3000), b"few"):
        got = decoded(content + behind, decode_with_pyav)
        assert got.loss == ""
        np.testing.assert_array_equal(got.samples, whole.samples)
    middle = content.find(content[:2], len(content) // 2)
    hole = decoded(content[:middle] + bytes(50) + content[middle + 50 :], decode_with_pyav)
    assert hole.loss.startswith("damaged: ")
    assert hole.loss.endswith(f"; {len(hole) / 48000:.3f} s are there")
    assert 40_000 < len(hole) < 100_000


@pytest.mark.parametrize("name", ["adts", "ac3", "eac3"])
def test_a_first_frame_without_its_mark_is_missed(name: str, decoded: Decode) -> None:
    content = form(name)
    for bad in (b"\x0c" + content[1:], b"\x00\x80" + content[2:], content[:1] + b"\x00" + content[2:]):
        with pytest.raises(AudioError, match=r"^damaged: the frame at byte [01] has a wrong header"):
            decoded(bad, decode_with_pyav)


def test_a_block_of_wavpack_whose_header_is_damaged_is_missed(decoded: Decode) -> None:
    content = form("wavpack")
    second = content.index(b"wvpk", 4)
    whole = decoded(content, decode_with_pyav)
    for files in (
        content * 2,
        content * 2 + b"TAG" + bytes(125),
        content * 2 + bytes(99),
        content + b"TAG" + bytes(125) + content,
    ):
        joined = decoded(files, decode_with_pyav)
        assert (len(joined), joined.loss) == (2 * len(whole), "")
    tagged = decoded(content + b"TAG" + bytes(125), decode_with_pyav)
    assert (len(tagged), tagged.loss) == (len(whole), "")
    for at, what in ((20, "samples"), (16, "number")):  # of the first block, whose checksum does not cover it
        bad = content[:at] + (b"\0\0\0\0" if what == "samples" else b"\0\1\0\0") + content[at + 4 :]
        got = decoded(bad, decode_with_pyav)
        assert "begins with sample" in got.loss, what
    got = decoded(content[:second] + content[content.index(b"wvpk", second + 4) :], decode_with_pyav)
    assert got.loss.startswith(f"damaged: the block at byte {second} begins with sample ")


def test_wma_whose_sizes_lead_out_of_the_file_is_refused(decoded: Decode) -> None:
    content = form("wma")
    for at in (46, 148):
        for value in (0, (1 << 64) - 1, 1 << 62):
            bad = content[:at] + value.to_bytes(8, "little") + content[at + 8 :]
            with suppress(AudioError):  # and nothing else
                assert decoded(bad, decode_with_pyav).info.frames > 0, (at, value)


def test_joined_aac_of_other_rates_and_channels(decoded: Decode) -> None:
    one = encoded("aac", "adts", sound(1))
    two = encoded("aac", "adts", sound(1, 22050, 2), 22050)
    got = decoded(one + one + two, decode_with_pyav)
    assert got.loss == ""
    assert got.shapes == [(48000, 1), (22050, 2)]
    alone = len(decoded(one, decode_with_pyav)), len(decoded(two, decode_with_pyav))
    assert len(got) == 2 * alone[0] + alone[1]


@pytest.mark.parametrize("name", ["ac3", "eac3"])
def test_a_lost_bit_in_ac3_is_found_by_its_checksum(name: str, decoded: Decode) -> None:
    content = form(name)
    for bit in np.random.default_rng(1).integers(0, len(content) * 8, 25):
        bad = bytearray(content)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            loss = decoded(bytes(bad), decode_with_pyav).loss
        except AudioError as error:
            loss = str(error)
        assert loss.startswith(("damaged: ", "not decodable: ")), bit


# --- MP4 ---


def boxes(content: bytes) -> dict[bytes, tuple[int, int]]:
    """The boxes at the top of a file: where each begins and ends."""
    at, found = 0, {}
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        found[content[at + 4 : at + 8]] = (at, at + length)
        at += length
    return found


def test_an_m4a_without_its_header_is_named(decoded: Decode) -> None:
    content = form("m4a")
    begin, end = boxes(content)[b"moov"]
    with pytest.raises(AudioError, match=r"^truncated: the file has no header \(moov\)"):
        decoded(content[:begin], decode_with_pyav)
    with pytest.raises(AudioError, match=r"^truncated: the box moov announces"):
        raise AudioError(decoded(content[: end - 10], decode_with_pyav).loss)


def test_samples_that_lie_outside_of_an_m4a_are_missed(decoded: Decode) -> None:
    content = bytearray(form("m4a-faststart"))
    begin, end = boxes(bytes(content))[b"mdat"]
    cut = (begin + end) // 2
    # The size of the box is mended, as some tools do; the table of samples still announces them all.
    content[begin : begin + 4] = (cut - begin).to_bytes(4)
    got = decoded(bytes(content[:cut]), decode_with_pyav)
    assert got.loss.startswith("truncated: the header announces 3.021 s, ")
    assert 48_000 < len(got) < 96_000


def test_a_cut_fragment_is_named(decoded: Decode) -> None:
    content = form("fragments")
    assert content.count(b"moof") > 3
    got = decoded(content[: len(content) // 2], decode_with_pyav)
    assert got.loss.startswith("truncated: the box ")
    assert 0 < len(got) < 96_000


@pytest.mark.parametrize("name", [b"stsz", b"stts", b"stsc", b"stco"])
def test_a_table_larger_than_its_box_is_not_believed(name: bytes, decoded: Decode) -> None:
    content = bytearray(form("m4a"))
    at = content.find(name) + (12 if name == b"stsz" else 8)
    content[at] |= 0x40
    try:
        loss = decoded(bytes(content), decode_with_pyav).loss
    except AudioError as error:
        loss = str(error)
    assert "entries, more than it holds" in loss


@pytest.mark.parametrize("name", [b"edts", b"stts", b"mdia", b"stbl"])
def test_a_lost_bit_in_the_name_of_a_box_is_found(name: bytes, decoded: Decode) -> None:
    content = bytearray(form("m4a"))
    content[content.find(name) + 2] ^= 2
    with pytest.raises(AudioError, match="damaged: the name of the box"):
        raise AudioError(decoded(bytes(content), decode_with_pyav).loss)


# --- what is no sound ---

LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{}</BaseURL></MPD>',
    "text": "words, and no sound\n" * 50,
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_other_files_are_no_sound(kind: str, tmp_path: Path, decoded: Decode) -> None:
    other = tmp_path / "other.m4a"
    other.write_bytes(form("m4a"))
    with pytest.raises(AudioError, match=r"^not decodable: "):
        decoded(LISTS[kind].format(other).encode(), decode_with_pyav)


def test_a_container_without_sound_is_named(decoded: Decode) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"^no audio: the file has no stream of sound$"):
        decoded(file.getvalue(), decode_with_pyav)


def test_without_pyav_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(form("m4a"))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError) as caught:
        decode_with_pyav(SourceFile(path), "Format not recognised")
    assert str(caught.value) == (
        "not decodable: Format not recognised: for m4a, wma or video, run `pip install 'audiospec[av]'`"
    )


@pytest.mark.parametrize(
    ("name", "samples", "loss"),
    [
        ("cover_cut_at_packet.m4a", 133_120, "truncated: "),
        ("suffixes/rock/voice.weba", 192_000, ""),
        ("suffixes/rock/x.eac3", 89_088, ""),
        ("suffixes/rock/x.voc", 88_200, ""),
    ],
)
def test_files_of_other_tools(
    name: str, samples: int, loss: str, shared_inputs: Path, decoded: Decode
) -> None:
    got = decoded(shared_inputs / name, decode_with_pyav)
    assert got.loss.startswith(loss)
    assert bool(got.loss) == bool(loss)
    assert len(got) == samples
    if loss:
        assert got.loss.endswith(" s, 6.037 s are there")
        assert got.first_loss
