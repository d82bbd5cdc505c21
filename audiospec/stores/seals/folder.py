"""The seal of a part that is a folder of Zarr: size and CRC-32C of each of its files but the shards.

It lies in the folder of one of the part's arrays, where Zarr's readers list nothing, so it is renamed with
its part: a reader, or a writer that is killed, never has one without the other. Beside it is a copy of the
files. `PartFiles` reads a part of a store on a disk or in a bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import google_crc32c

from audiospec.errors import StoreError
from audiospec.files import damage_errors
from audiospec.storage.base import Folder
from audiospec.stores.layout.schema import RESTORE
from audiospec.stores.seals.bundle import pack_bundle, unpack_bundle
from audiospec.stores.seals.damage import damaged_part

#: Version of seals; a newer one is refused.
VERSION = 1
#: Most bytes of a seal: it has a line of 100 bytes for each of some 30 files, and the store's attributes.
MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class FolderSeal:
    """The seal of a part.

    Attributes
    ----------
    part : str
        ``"tracks"`` or ``"views/NAME"``.
    files : mapping
        File's name in the part → its size in bytes and its CRC-32C.
    attributes : mapping
        The attributes of the whole store, for the seal of the tracks.
    """

    part: str
    files: Mapping[str, tuple[int, int]]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, part: str, files: Mapping[str, bytes], attributes: Mapping[str, Any]) -> FolderSeal:
        """Return the seal of files with the given content."""
        return cls(part, {name: _sum(files[name]) for name in sorted(files)}, dict(attributes))

    def to_bytes(self) -> bytes:
        """Return the seal as a file, whose last line is a checksum of the others."""
        fields = {"audiospec_seal": VERSION, "part": self.part, "attributes": self.attributes}
        lines = [json.dumps({**fields, "files": self.files}, sort_keys=True, indent=1), ""]
        text = "\n".join(lines).encode()
        return text + f"{google_crc32c.value(text):08x}\n".encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> FolderSeal | None:
        """Read what `to_bytes` returned; None if it is damaged."""
        text, last = content[:-9], content[-9:]
        if last != f"{google_crc32c.value(text):08x}\n".encode():
            return None
        fields = json.loads(text)
        if fields["audiospec_seal"] > VERSION:
            raise StoreError(
                f"{fields['part']} has a seal of version {fields['audiospec_seal']}, "
                f"this audiospec reads up to {VERSION}",
                "upgrade audiospec (pip install -U audiospec)",
            )
        files = {name: (int(size), int(crc)) for name, (size, crc) in fields["files"].items()}
        return cls(fields["part"], files, fields["attributes"])

    def reason(self, name: str, content: bytes | None) -> str:
        """Return how a file's content differs from the sealed one; ``""`` if it does not."""
        if content is None:
            return f"{name} is missing"
        if len(content) != self.files[name][0]:
            return f"{name} has {len(content)} bytes, expected {self.files[name][0]}"
        return "" if _sum(content) == self.files[name] else f"{name} does not match its checksum"

    def copy(self, files: Mapping[str, bytes]) -> bytes:
        """Return the copy of the files, which also holds what a new seal is made of."""
        about = json.dumps({"part": self.part, "attributes": self.attributes}).encode()
        return pack_bundle({"": about, **{name: files[name] for name in sorted(files)}})


def open_copy(bundle: bytes) -> tuple[FolderSeal, dict[str, bytes]] | None:
    """Return the files of a copy, and the seal that belongs to them; None if the copy is damaged."""
    files = unpack_bundle(bundle)
    if files is None:
        return None
    about = json.loads(files.pop(""))
    return FolderSeal.of(about["part"], files, about["attributes"]), files


class PartFiles:
    """The files of a part, each compared with the seal when it is read.

    Parameters
    ----------
    store : Folder
    part : str
        ``"tracks"`` or ``"views/NAME"``.
    is_sealed : bool
        Whether there must be a seal. Parts of older stores have none.
    group : str or None
        Key of the part's group in the store. None: `part`.

    Raises
    ------
    StoreError
        The seal is damaged, or missing although there must be one.
    """

    def __init__(self, store: Folder, part: str, is_sealed: bool, group: str | None = None) -> None:
        self.store, self.part = store, part
        self.group = part if group is None else group
        self.place = store.location / self.group
        self.seal: FolderSeal | None = None
        self._content: dict[str, bytes | None] = {}
        with damage_errors(self.place):
            content = read_file(store, seal_key(self.group), MOST_BYTES)
            if content is not None:
                self.seal = FolderSeal.from_bytes(content)
                if self.seal is None:
                    raise self.damaged("its seal does not match its own checksum")
        if content is None and is_sealed:
            raise self.damaged("its seal is missing")

    def damaged(self, reason: str) -> StoreError:
        """Return the error for damage to this part."""
        if self.seal is None and not self.store.exists(seal_key(self.group)):
            return StoreError(f"{self.part} of {self.store.location} is damaged: {reason}", RESTORE)
        return damaged_part(self.store.location, self.part, reason)

    def has(self, name: str) -> bool:
        """Whether the part has a file, by its seal if there is one."""
        return name in self.seal.files if self.seal else self.store.exists(f"{self.group}/{name}")

    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises
        ------
        StoreError
            It is missing, unreadable, or differs from the seal.
        """
        with damage_errors(f"{self.place}/{name}"):
            content = self.content(name)
        reason = f"{name} is missing" if content is None else ""
        if self.seal is not None:
            reason = self.seal.reason(name, content)
        if reason or content is None:
            raise self.damaged(reason)
        return content

    def content(self, name: str) -> bytes | None:
        """Return a file's content, whatever it is; None if it is missing.

        From a bucket, all files are fetched with the first, many at a time.
        """
        if self.store.is_local or self.seal is None:
            return self._fetch(name)
        if not self._content:
            names = list(self.seal.files)
            self._content = dict(zip(names, self.store.map(self._fetch, names), strict=True))
        return self._content[name]

    def _fetch(self, name: str) -> bytes | None:
        most = None if self.seal is None else self.seal.files[name][0] + 1
        return read_file(self.store, f"{self.group}/{name}", most)


def seal_key(group: str) -> str:
    """Return the key of the seal of a part, whose group is given."""
    is_tracks = group.partition(".")[0] == "tracks"
    return f"{group}/{'id' if is_tracks else 'data'}/seal.json"


def copy_key(group: str) -> str:
    """Return the key of the copy of a part's files."""
    return seal_key(group).removesuffix("seal.json") + "seal.copy"


def read_file(folder: Folder, key: str, most: int | None = None) -> bytes | None:
    """Return a file's content, at most so many bytes of it; None if there is no such file."""
    try:
        return folder.read(key, 0, most)
    except FileNotFoundError:
        return None


def _sum(content: bytes) -> tuple[int, int]:
    return len(content), int(google_crc32c.value(content))
