"""Ogg: every page is checked, every link of a chain is decoded, and what is missing is named."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiospec.audio.decoders.ogg import decode_ogg
from audiospec.audio.decoders.ogg_pages import checksum
from audiospec.errors import AudioError
from audiospec.testing.audio import Format, encode, noise, tone

Decode = Callable[..., Any]
CODECS = ("VORBIS", "OPUS")


def ogg(codec: str = "VORBIS", seconds: float = 2.0, rate: int = 48000, channels: int = 1) -> bytes:
    """An Ogg file of a tone and noise."""
    sound = tone(seconds, rate, level=0.3, channels=channels) + noise(seconds, rate, channels=channels)
    return encode(sound.astype(np.float32), rate, Format(".ogg", "OGG", codec))


def pages(content: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    at, found = 0, []
    while at < len(content):
        count = content[at + 26]
        end = at + 27 + count + sum(content[at + 27 : at + 27 + count])
        found.append(content[at:end])
        at = end
    return found


def page(page: bytes, **values: int) -> bytes:
    """A page with other values in its header, and the checksum that they need."""
    places = {"flags": (5, "<B"), "granule": (6, "<q"), "serial": (14, "<I"), "number": (18, "<I")}
    changed = bytearray(page)
    for name, value in values.items():
        struct.pack_into(places[name][1], changed, places[name][0], value)
    changed[22:26] = bytes(4)
    changed[22:26] = checksum(bytes(changed)).to_bytes(4, "little")
    return bytes(changed)


def test_the_checksum_is_that_of_the_encoder() -> None:
    for codec in CODECS:
        for each in pages(ogg(codec, 0.5)):
            assert page(each) == each


@pytest.mark.parametrize("codec", [*CODECS, "FLAC"])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_ordinary_file_gives_the_bits_of_soundfile(codec: str, channels: int, decoded: Decode) -> None:
    if codec == "FLAC":
        pytest.importorskip("av", reason="needs PyAV, the extra `av`")
        content = flac_in_ogg(channels)
        expected = (noise(2, 48000, channels=channels) * 32767).astype(np.int16).reshape(-1, channels) / 32768
    else:
        content = ogg(codec, channels=channels)
        expected = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0]
    got = decoded(content, decode_ogg)
    assert got.loss == ""
    assert got.info.exact == (codec != "FLAC")
    np.testing.assert_array_equal(got.samples, expected)
    np.testing.assert_allclose(decoded(content, decode_ogg, 3000).samples, expected, atol=1e-6)


def flac_in_ogg(channels: int) -> bytes:
    """FLAC in Ogg, as FFmpeg writes it."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("flac", rate=48000)
        layout = stream.layout = "mono" if channels == 1 else "stereo"
        sound = (noise(2, 48000, channels=channels) * 32767).astype(np.int16).reshape(-1, channels)
        for first in range(0, len(sound), 4608):
            part = sound[first : first + 4608].reshape(1, -1).copy()
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
            frame.sample_rate, frame.pts = 48000, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


CHAINS = {
    "vorbis": [("VORBIS", 2, 48000, 1), ("VORBIS", 1, 48000, 1)],
    "three of opus": [("OPUS", 1, 48000, 1), ("OPUS", 1.5, 48000, 1), ("OPUS", 0.7, 48000, 1)],
    "three of vorbis": [("VORBIS", 1, 44100, 2), ("VORBIS", 1, 44100, 2), ("VORBIS", 0.5, 44100, 2)],
    "other channels": [("VORBIS", 1, 44100, 2), ("VORBIS", 1, 44100, 1)],
    "other rate": [("VORBIS", 1, 44100, 1), ("VORBIS", 1, 22050, 1)],
    "other codec": [("VORBIS", 1, 48000, 1), ("OPUS", 1, 48000, 1)],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_links_of_a_chain_are_decoded_one_after_the_other(chain: str, decoded: Decode) -> None:
    links = [ogg(*values) for values in CHAINS[chain]]
    got = decoded(b"".join(links), decode_ogg)
    alone = [soundfile.read(io.BytesIO(link), dtype="float32", always_2d=True) for link in links]
    assert got.loss == ""
    assert got.shapes == list(dict.fromkeys((rate, samples.shape[1]) for samples, rate in alone))
    assert len(got) == sum(len(samples) for samples, _ in alone)
    expected = np.concatenate([samples.mean(axis=1) for samples, _ in alone])
    np.testing.assert_allclose(np.concatenate([b.mean(axis=1) for b in got.blocks]), expected, atol=1e-6)
    seconds = sum(len(samples) / rate for samples, rate in alone)
    assert got.info.frames == round(seconds * alone[0][1])
    assert got.info.exact == (len({rate for _, rate in alone}) == 1)


@pytest.mark.parametrize("codec", CODECS)
def test_a_last_page_without_the_flag_is_whole(codec: str, decoded: Decode) -> None:
    content = pages(ogg(codec))
    whole = decoded(b"".join(content), decode_ogg)
    without = decoded(b"".join([*content[:-1], page(content[-1], flags=content[-1][5] & ~4)]), decode_ogg)
    assert without.loss == ""
    assert len(without) >= len(whole)
    np.testing.assert_allclose(without.samples[: len(whole)], whole.samples, atol=1e-6)
    # Recorders that die: pages end where packets end.
    if content[-2][27 + content[-2][26] - 1] != 255:
        assert decoded(b"".join(content[:-1]), decode_ogg).loss == ""


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("fault", ["cut", "removed", "flipped", "swapped", "mark", "junk"])
def test_a_damaged_page_is_named_with_how_much_is_there(codec: str, fault: str, decoded: Decode) -> None:
    content = pages(ogg(codec, 20))
    assert len(content) > 5
    middle = len(content) // 2
    before = b"".join(content[:middle])
    rest = b"".join(content[middle + 1 :])
    bad = {
        "cut": before + content[middle][:-5],
        "removed": before + rest,
        "flipped": before
        + content[middle][:-9]
        + bytes([content[middle][-9] ^ 8])
        + content[middle][-8:]
        + rest,
        "swapped": before + content[middle + 1] + content[middle] + b"".join(content[middle + 2 :]),
        "mark": before + b"oggS" + content[middle][4:] + rest,
        "junk": before + b"other bytes " * 20,
    }[fault]
    got = decoded(bad, decode_ogg)
    assert got.loss.startswith("truncated: " if fault == "cut" else "damaged: ")
    assert got.loss.endswith(f"; {len(got) / 48000:.3f} s are there")
    assert got.first_loss
    whole = decoded(b"".join(content), decode_ogg)
    assert 0.2 * len(whole) < len(got) < 0.8 * len(whole)
    np.testing.assert_allclose(got.samples[:-1000], whole.samples[: len(got) - 1000], atol=1e-6)


def test_junk_between_pages_is_passed_over_if_no_page_is_missing(decoded: Decode) -> None:
    content = pages(ogg(seconds=20))
    whole = decoded(b"".join(content), decode_ogg)
    got = decoded(b"".join(content[:4]) + b"junk" * 50 + b"".join(content[4:]), decode_ogg)
    assert got.loss == ""
    np.testing.assert_array_equal(got.samples, whole.samples)
    for tail in (b"TAG" + bytes(125), bytes(5000), b"few"):
        assert decoded(b"".join(content) + tail, decode_ogg).loss == ""


def test_streams_beside_the_sound_are_passed_over(decoded: Decode) -> None:
    # A stream of another kind, as Skeleton is: its first page before all others, its pages between theirs.
    content = pages(ogg(seconds=20))
    blank = b"OggS" + bytes(22) + bytes([1, 8]) + b"fishead\0"
    first = page(blank, flags=2, serial=99)
    more = [page(blank, flags=4 if i == 2 else 0, serial=99, number=i) for i in (1, 2)]
    mixed = [first, content[0], more[0], *content[1:5], more[1], *content[5:]]
    got = decoded(b"".join(mixed), decode_ogg)
    assert got.loss == ""
    np.testing.assert_array_equal(got.samples, decoded(b"".join(content), decode_ogg).samples)


@pytest.mark.parametrize("codec", CODECS)
def test_a_false_position_is_no_length(codec: str, decoded: Decode) -> None:
    content = pages(ogg(codec))
    whole = decoded(b"".join(content), decode_ogg)
    content[-1] = page(content[-1], granule=1 << 50)
    got = decoded(b"".join(content), decode_ogg)
    assert got.info.frames < 100 * len(whole)
    assert len(whole) <= len(got) < len(whole) + 10_000
    assert got.loss == "" or "s are there" in got.loss


@pytest.mark.parametrize("codec", CODECS)
def test_a_recording_that_begins_late_has_all_its_samples(codec: str, decoded: Decode) -> None:
    content = pages(ogg(codec))
    headers = 2
    late = content[:headers]
    for each in content[headers:]:
        granule = struct.unpack_from("<q", each, 6)[0]
        late.append(page(each, granule=granule + 10_000_000 if granule >= 0 else granule))
    got = decoded(b"".join(late), decode_ogg)
    assert got.loss == ""
    assert len(got) == pytest.approx(len(decoded(b"".join(content), decode_ogg)), abs=2000)


@pytest.mark.parametrize("codec", CODECS)
def test_no_lost_bit_is_accepted(codec: str, decoded: Decode) -> None:
    content = ogg(codec, 1)
    random = np.random.default_rng(5)
    for bit in random.integers(0, len(content) * 8, 60):
        bad = bytearray(content)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            loss = decoded(bytes(bad), decode_ogg).loss
        except AudioError as error:
            loss = str(error)
        assert "s are there" in loss or loss.startswith("not decodable"), bit


def test_without_sound(decoded: Decode) -> None:
    for content in (b"OggS", b"OggS" * 500, pages(ogg())[0][:30]):
        with pytest.raises(AudioError):
            decoded(content, decode_ogg)


@pytest.mark.parametrize(("name", "samples"), [("chained.ogg", 308_828), ("noeos.ogg", 134_848)])
def test_files_of_other_tools(name: str, samples: int, shared_inputs: Path, decoded: Decode) -> None:
    got = decoded(shared_inputs / name, decode_ogg)
    assert got.loss == ""
    # FFmpeg does not trim the end of a link that another follows.
    assert len(got) == got.info.frames == pytest.approx(samples, abs=128)
