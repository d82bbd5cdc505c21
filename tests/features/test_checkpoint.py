"""Checkpoints of TensorFlow, read without it: what a writer of ours wrote, and what a hostile one would."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.features.pretrained.checkpoint import (
    MOST_INDEX,
    MOST_KEY,
    MOST_TENSORS,
    masked_crc,
    read_index,
    read_tensors,
)

Tensors = Mapping[str, NDArray[np.float32]]
Pairs = list[tuple[bytes, bytes]]


def varint(number: int) -> bytes:
    """7 bits a byte, the lowest first."""
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def content(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def block(pairs: Pairs, restart: int = 16) -> bytes:
    """Entries whose keys share prefixes, and the places where they begin anew."""
    out, places, last = b"", [], b""
    for place, (key, value) in enumerate(pairs):
        shared = 0
        if place % restart:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        else:
            places.append(len(out))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    places = places or [0]
    return out + b"".join(place.to_bytes(4, "little") for place in [*places, len(places)])


def table(blocks: list[bytes], *, compression: int = 0) -> bytes:
    """Blocks of pairs, a block without metadata, a block with the places of the others, and a footer."""
    out, places = b"", []
    for part in [*blocks, block([])]:
        places.append(varint(len(out)) + varint(len(part)))
        sealed = part + bytes([compression])
        out += sealed + masked_crc(sealed).to_bytes(4, "little")
    # The key of a block is at or above its last, and below the first of the next.
    part = block([(b"%06d" % at, place) for at, place in enumerate(places[:-1])]) + bytes([0])
    index = varint(len(out)) + varint(len(part) - 1)
    out += part + masked_crc(part).to_bytes(4, "little")
    return out + (places[-1] + index).ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


HEADER = number(1, 1) + content(3, number(1, 1))


def entry(shape: tuple[int, ...], offset: int, size: int, crc: int, **other: Any) -> bytes:
    axes = b"".join(content(2, number(1, length)) for length in shape)
    return (
        number(1, other.get("dtype", 1))
        + content(2, axes)
        + (number(3, other["shard"]) if "shard" in other else b"")
        + number(4, offset)
        + number(5, size)
        + varint(6 << 3 | 5)
        + crc.to_bytes(4, "little")
        + (content(7, b"") if other.get("sliced") else b"")
    )


def bundle(tensors: Tensors, *, keys_in_block: int = 7, header: bytes = HEADER) -> tuple[bytes, bytes]:
    """Return index and data."""
    data, pairs = b"", [(b"", header)]
    for name, values in sorted(tensors.items(), key=lambda item: item[0].encode()):
        raw = values.astype("<f4").tobytes()
        pairs.append((name.encode(), entry(values.shape, len(data), len(raw), masked_crc(raw))))
        data += raw
    parts = [pairs[at : at + keys_in_block] for at in range(0, len(pairs), keys_in_block)]
    return table([block(part, restart=3) for part in parts]), data


def shapes(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    return {name: values.shape for name, values in tensors.items()}


def some_tensors() -> dict[str, NDArray[np.float32]]:
    rng = np.random.RandomState(0)
    sizes = {"a/bias": (3,), "a/kernel": (2, 1, 4), "a/kernel/Adam": (2, 1, 4), "b": (), "none": (0, 5)}
    return {name: np.asarray(rng.normal(size=shape), np.float32) for name, shape in sizes.items()}


TENSORS = some_tensors()
INDEX, DATA = bundle(TENSORS)

names = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=12)
axes = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@given(st.dictionaries(names, axes, max_size=20), st.integers(1, 9))
def test_what_was_written_is_read(sizes: dict[str, tuple[int, ...]], keys_in_block: int) -> None:
    rng = np.random.RandomState(0)
    tensors = {name: np.asarray(rng.normal(size=size), np.float32) for name, size in sizes.items()}
    index, data = bundle(tensors, keys_in_block=keys_in_block)
    assert set(read_index(index)) == set(tensors)
    got = read_tensors(index, data, shapes(tensors))
    for name, values in tensors.items():
        assert got[name].dtype == np.float32
        assert np.array_equal(got[name], values)


def test_only_what_is_asked_for_is_read() -> None:
    damaged = bytearray(DATA)
    damaged[read_index(INDEX)["a/kernel"].offset] ^= 1
    assert list(read_tensors(INDEX, bytes(damaged), {"a/bias": (3,)})) == ["a/bias"]


def test_an_index_that_is_cut_off_is_refused() -> None:
    for length in range(len(INDEX)):
        with pytest.raises(ModelError, match="cannot be read"):
            read_index(INDEX[:length])


def test_no_flipped_bit_of_an_index_changes_what_is_read() -> None:
    whole = read_index(INDEX)
    refused = []
    for bit in range(8 * len(INDEX)):
        flipped = bytearray(INDEX)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert read_index(bytes(flipped)) == whole
        except ModelError as error:
            refused.append(str(error))
    assert not any("\n" in message for message in refused)
    assert len(refused) > 0.8 * 8 * len(INDEX)  # the rest are the metadata's block, and zeros of the footer


@given(st.binary(max_size=200))
def test_bytes_that_are_no_index_are_refused(noise: bytes) -> None:
    with pytest.raises(ModelError):
        read_index(noise + INDEX[-8:])


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3), st.binary(max_size=20))
def test_a_sealed_index_of_nonsense_is_refused_or_read(blocks: list[bytes], header: bytes) -> None:
    for parts in (blocks, [part + bytes(4) for part in blocks], [block([(b"", header), (b"a", blocks[0])])]):
        with suppress(ModelError):
            entries = read_index(table(parts))
            for name, found in entries.items():
                with pytest.raises(ModelError):  # no data have the CRC-32C
                    read_tensors(table(parts), bytes(99), {name: found.shape})


HUGE = 1 << 62


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"dtype": 2}, r"float32 \(type 1\) of shape \(3,\); got type 2 of shape \(3,\)"),
        ({"shape": (4,)}, r"of shape \(3,\); got type 1 of shape \(4,\)"),
        ({"shape": (HUGE,)}, rf"got type 1 of shape \({HUGE},\)"),
        ({"size": 16}, r"12 bytes in one piece of the first file; got 16 bytes in file 0$"),
        ({"size": HUGE}, rf"got {HUGE} bytes in file 0"),
        ({"shard": 1}, r"got 12 bytes in file 1"),
        ({"sliced": True}, r"got 12 bytes in file 0, in slices"),
        ({"offset": HUGE}, rf"ends at byte {HUGE + 12} of data that have 12"),
        ({"offset": 1}, r"ends at byte 13 of data that have 12"),
        ({"crc": 0}, r"'a' does not have its CRC-32C"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_an_entry_that_claims_something_else_is_refused(other: dict[str, Any], reason: str) -> None:
    values = np.arange(3, dtype="<f4").tobytes()
    fields = {"shape": (3,), "offset": 0, "size": 12, "crc": masked_crc(values), **other}
    index = table([block([(b"", HEADER), (b"a", entry(**fields))])])
    with pytest.raises(ModelError, match=reason.removesuffix("$")) as caught:
        read_tensors(index, values, {"a": (3,)})
    assert str(caught.value).endswith("restore its files, or install them again")


def test_a_tensor_that_is_missing_is_named() -> None:
    with pytest.raises(ModelError, match="it has no tensor 'c/kernel'"):
        read_tensors(INDEX, DATA, {"c/kernel": (1,)})


def test_data_that_are_cut_off_or_changed_are_refused() -> None:
    for length in range(len(DATA)):
        with pytest.raises(ModelError, match=r"data that have|CRC"):
            read_tensors(INDEX, DATA[:length], shapes(TENSORS))
        changed = bytearray(DATA)
        changed[length] ^= 0x80
        with pytest.raises(ModelError, match="does not have its CRC-32C"):
            read_tensors(INDEX, bytes(changed), shapes(TENSORS))


def with_pairs(*pairs: tuple[bytes, bytes]) -> bytes:
    return table([block([(b"", HEADER), *pairs])])


#: Three varints: how much of the last key is shared, how much is added, and the length of the value.
SHARING = varint(5) + varint(1) + varint(0) + b"x"


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (b"", "does not end as a table"),
        (bytes(MOST_INDEX + 1), f"has {MOST_INDEX + 1} bytes; expected at most"),
        (table([]), "its index is empty"),
        (table([block([(b"a", b"")])]), "has no header"),
        (bundle({}, header=number(1, 2))[0], "data in 1 file in little-endian order; got 2 files, order 0"),
        (bundle({}, header=HEADER + number(2, 1))[0], "got 1 files, order 1"),
        (bundle({}, header=content(1, b"ab"))[0], "field 1 of its index should be a number"),
        (table([block([(b"", HEADER)])], compression=1), "is compressed"),
        (with_pairs((b"b", b""), (b"a", b"")), "not in order"),
        (with_pairs((b"a", b""), (b"a", b"")), "not in order"),
        (table([block([(b"", HEADER)]), block([(b"", HEADER)])]), "not in order"),
        (with_pairs((b"a", content(2, b"") + number(2, 1))), "field 2 of its index should be bytes"),
        (with_pairs((b"a", varint(3 << 3 | 3))), "has a field of type 3"),
        (with_pairs((b"a", varint(1 << 3) + b"\xff" * 11)), "more than 64 bits"),
        (with_pairs((b"a", varint(2 << 3 | 2) + varint(HUGE))), "cut off"),
        (with_pairs((b"a", content(2, content(2, b"") * 9))), "has 9 axes; expected at most 8"),
        (with_pairs((b"a" * (MOST_KEY + 1), b"")), f"shares 0 bytes with one of 0, and adds {MOST_KEY + 1}"),
        (table([SHARING + bytes(8)]), "shares 5 bytes with one of 0, and adds 1"),
        (table([b"\xff\xff\xff\xff"]), "has no room for 4294967295 restarts"),
    ],
)
def test_an_index_of_another_kind_is_refused(index: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        read_index(index)
    assert "\n" not in str(caught.value)


def test_an_index_of_very_many_tensors_is_refused() -> None:
    pairs = [(b"%05d" % place, b"") for place in range(MOST_TENSORS + 1)]
    with pytest.raises(ModelError, match=f"more than {MOST_TENSORS} tensors"):
        read_index(with_pairs(*pairs))
