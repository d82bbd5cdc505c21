"""TensorFlow's checkpoints (the "bundle" of its version 2), read without TensorFlow.

A checkpoint is an index and a file of data. The index is a sorted string table as LevelDB writes it: blocks
of keys that share prefixes, each block with a CRC-32C, and a footer. The empty key holds a
`BundleHeaderProto`; each other key is the name of a tensor, and holds a `BundleEntryProto`: type, shape,
place in the data, CRC-32C. The data are the tensors' raw bytes.

Sources: LevelDB, *doc/table_format.md*; TensorFlow, *tensor_bundle.proto*, *tensor_shape.proto*, and
*tensor_bundle.h* (1.14).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError

#: Most bytes of an index and of data, of a key, and most tensors: far above what a network of audio needs.
#: What is larger is refused before it is read.
MOST_INDEX, MOST_DATA, MOST_KEY, MOST_TENSORS = 1 << 20, 1 << 28, 512, 1 << 14

_FOOTER, _MAGIC = 48, 0xDB4775248B80FB57
#: Bytes after a block: how it is compressed, and the CRC-32C of the block and of that byte.
_TRAILER = 5
_FLOAT = 1
_AXES = 8


class Entry(NamedTuple):
    """What an index says of a tensor; claims until the data are read.

    Attributes
    ----------
    dtype : int
        Number of a type of TensorFlow; 1 is float32.
    shape : tuple of int
    shard : int
        Number of the file of data.
    offset, size : int
        Place in that file, in bytes.
    crc : int
        Masked CRC-32C of the bytes.
    sliced : bool
        Whether it is stored in several pieces.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    sliced: bool


def read_tensors(
    index: bytes, data: bytes, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Return tensors of a checkpoint.

    Parameters
    ----------
    index, data : bytes
        Contents of the two files; at most `MOST_INDEX` and `MOST_DATA` bytes.
    shapes : mapping
        Names of the tensors to return, and the shapes that they must have.

    Returns
    -------
    dict of str to ndarray, float32
        Views of `data`, which cannot be written to.

    Raises
    ------
    ModelError
        The index is damaged, or a tensor is missing, of another type or shape, outside the data, or does not
        have its CRC-32C.
    """
    entries = read_index(index)
    tensors = {}
    for name, shape in shapes.items():
        if name not in entries:
            raise _damage(f"it has no tensor {name!r}")
        entry = entries[name]
        if entry.dtype != _FLOAT or entry.shape != shape:
            raise _damage(
                f"tensor {name!r} should be float32 (type {_FLOAT}) of shape {shape}; got type {entry.dtype} "
                f"of shape {entry.shape}"
            )
        count = 1
        for length in shape:
            count *= length
        if entry.size != 4 * count or entry.shard or entry.sliced:
            raise _damage(
                f"tensor {name!r} should be {4 * count} bytes in one piece of the first file; got "
                f"{entry.size} bytes in file {entry.shard}{', in slices' if entry.sliced else ''}"
            )
        if entry.offset + entry.size > len(data):
            raise _damage(
                f"tensor {name!r} ends at byte {entry.offset + entry.size} of data that have {len(data)}"
            )
        content = data[entry.offset : entry.offset + entry.size]
        if masked_crc(content) != entry.crc:
            raise _damage(f"tensor {name!r} does not have its CRC-32C")
        tensors[name] = np.frombuffer(content, "<f4").reshape(shape)
    return tensors


def read_index(content: bytes) -> dict[str, Entry]:
    """Return what an index says of each tensor.

    Parameters
    ----------
    content : bytes
        The file; at most `MOST_INDEX` bytes.

    Raises
    ------
    ModelError
        It is not an index, is damaged, or is of a kind that is not read: compressed, of a machine with
        another order of bytes, or with data in several files.
    """
    if len(content) > MOST_INDEX:
        raise _damage(f"its index has {len(content)} bytes; expected at most {MOST_INDEX}")
    if len(content) < _FOOTER or int.from_bytes(content[-8:], "little") != _MAGIC:
        raise _damage("its index does not end as a table of LevelDB does")
    footer = _Reader(content[-_FOOTER:-8])
    _handle(footer)  # of the metadata, which are empty
    entries: dict[str, Entry] = {}
    header: _Message | None = None
    last = None
    for _, handle in _pairs(_block(content, *_handle(footer))):
        for key, value in _pairs(_block(content, *_handle(_Reader(handle)))):
            if last is not None and key <= last:
                raise _damage("the keys of its index are not in order")
            last = key
            if header is None:
                if key:
                    raise _damage("its index has no header")
                header = _Message(value)
                continue
            if len(entries) >= MOST_TENSORS:
                raise _damage(f"its index has more than {MOST_TENSORS} tensors")
            entries[key.decode("utf-8", "replace")] = _entry(_Message(value))
    if header is None:
        raise _damage("its index is empty")
    shards, order = header.number(1), header.number(2)
    if shards != 1 or order != 0:
        raise _damage(f"expected data in 1 file in little-endian order; got {shards} files, order {order}")
    return entries


def masked_crc(content: bytes) -> int:
    """Return the CRC-32C of bytes as LevelDB stores it: rotated by 15 bits, plus a constant."""
    crc = int(google_crc32c.value(content))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _damage(reason: str) -> ModelError:
    return ModelError(f"the checkpoint cannot be read: {reason}", "restore its files, or install them again")


class _Reader:
    """Reads bytes from the front, and raises an error where they end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    @property
    def more(self) -> bool:
        return self.place < len(self.content)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > len(self.content) - self.place:
            raise _damage("its index is cut off")
        self.place += count
        return self.content[self.place - count : self.place]

    def varint(self) -> int:
        """Return a whole number of 7 bits a byte, the lowest first; at most 64 bits."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise _damage("its index has a number of more than 64 bits")


def _handle(reader: _Reader) -> tuple[int, int]:
    """Return offset and size of a block."""
    return reader.varint(), reader.varint()


def _block(content: bytes, offset: int, size: int) -> bytes:
    """Return the entries of a block, without the places where keys begin anew."""
    if offset + size + _TRAILER > len(content) - _FOOTER or size < 4:
        raise _damage(f"its index has no block of {size} bytes at byte {offset}")
    end = offset + size
    if masked_crc(content[offset : end + 1]) != int.from_bytes(content[end + 1 : end + 5], "little"):
        raise _damage(f"the block at byte {offset} of its index does not have its CRC-32C")
    if content[end]:
        raise _damage(f"the block at byte {offset} of its index is compressed")
    restarts = int.from_bytes(content[end - 4 : end], "little")
    if 4 * (restarts + 1) > size:
        raise _damage(f"the block at byte {offset} of its index has no room for {restarts} restarts")
    return content[offset : end - 4 * (restarts + 1)]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block; a key states how much of the one before it begins with."""
    reader = _Reader(block)
    key = b""
    while reader.more:
        shared, rest, length = reader.varint(), reader.varint(), reader.varint()
        if shared > len(key) or shared + rest > MOST_KEY:
            raise _damage(f"a key of its index shares {shared} bytes with one of {len(key)}, and adds {rest}")
        key = key[:shared] + reader.take(rest)
        yield key, reader.take(length)


def _entry(message: _Message) -> Entry:
    shape = [_Message(axis).number(1) for axis in _Message(message.content(2)).contents(2)]
    if len(shape) > _AXES:
        raise _damage(f"a tensor has {len(shape)} axes; expected at most {_AXES}")
    return Entry(
        dtype=message.number(1),
        shape=tuple(shape),
        shard=message.number(3),
        offset=message.number(4),
        size=message.number(5),
        crc=message.number(6),
        sliced=bool(message.contents(7)),
    )


class _Message:
    """A message of Protocol Buffers: numbers of fields → values, which are numbers or bytes."""

    def __init__(self, content: bytes) -> None:
        self._fields: dict[int, list[Any]] = {}
        reader = _Reader(content)
        while reader.more:
            field, kind = divmod(reader.varint(), 8)
            value: int | bytes
            if kind == 0:
                value = reader.varint()
            elif kind == 2:
                value = reader.take(reader.varint())
            elif kind in (1, 5):
                value = struct.unpack(*(("<Q", reader.take(8)) if kind == 1 else ("<I", reader.take(4))))[0]
            else:
                raise _damage(f"its index has a field of type {kind}")
            self._fields.setdefault(field, []).append(value)

    def number(self, field: int) -> int:
        """Return the last value of a field of numbers; 0 if there is none."""
        values = self._fields.get(field, [0])
        if not isinstance(values[-1], int):
            raise _damage(f"field {field} of its index should be a number")
        return values[-1]

    def content(self, field: int) -> bytes:
        """Return the last value of a field of bytes; empty if there is none."""
        values = self.contents(field)
        return values[-1] if values else b""

    def contents(self, field: int) -> list[bytes]:
        """Return all values of a field of bytes."""
        values = self._fields.get(field, [])
        if not all(isinstance(value, bytes) for value in values):
            raise _damage(f"field {field} of its index should be bytes")
        return values
