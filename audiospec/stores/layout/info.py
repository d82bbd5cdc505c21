"""ViewInfo: spec, chunking and shard size of a view; the attributes stored with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from audiospec.audio.chunking import Chunking
from audiospec.digests import digest
from audiospec.errors import AudiospecError, SpecError, StoreError
from audiospec.specs.base import FeatureSpec
from audiospec.stores.shards.format import chunk_rows, is_flat

#: A shard is at most this many bytes of rows (or one row), of flat rows that are one chunk together …
SHARD_BYTES, TABLE_SHARD_BYTES = 24 << 20, 1 << 20

#: What an axis of a row is, in words; others go by their own names.
AXES = {"mel": "centre of the mel bin", "frame": "time in the chunk", "feature": "feature"}


def most_rows(info: ViewInfo) -> int:
    """The most rows that a shard of a view may have."""
    most = TABLE_SHARD_BYTES if is_flat(info.row_shape) else SHARD_BYTES
    return max(1, most // info.row_bytes)


@dataclass(frozen=True, kw_only=True)
class ViewInfo:
    """What a view says of itself; its attributes in the store.

    Attributes
    ----------
    spec : FeatureSpec
    chunking : Chunking
    shard_rows : int
        Rows in one shard; the last may have fewer.
    made : mapping
        How it was computed: ``versions`` of the libraries, ``device``, ``backend`` and ``parity`` (the
        largest difference from float64, in the measure of `Frontend.parity`). Of a view that was imported:
        ``versions``, and ``table``, the name of the file.
    """

    spec: FeatureSpec
    chunking: Chunking
    shard_rows: int
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as ``"mel-10s-3f9a1c"``: feature, chunking, and six digits of both."""
        key = digest([self.spec.to_dict(), self.chunking.to_dict()])
        return f"{self.spec.feature}-{self.chunking.name()}-{key[:6]}"

    @cached_property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self.spec.row_shape(self.chunking.samples(self.spec.sample_rate))

    @property
    def row_dtype(self) -> np.dtype[Any]:
        """One row as a sub-array dtype."""
        return np.dtype((np.dtype(self.spec.dtype).newbyteorder("<"), self.row_shape))

    @property
    def chunk_rows(self) -> int:
        """Rows in one chunk of the store's array."""
        return chunk_rows(self.row_shape, self.shard_rows)

    @property
    def row_bytes(self) -> int:
        """Size of one row in bytes, as it is stored but for compression."""
        return self.row_dtype.itemsize

    @property
    def read_bytes(self) -> int:
        """Size of one row in bytes, as `View.read` gives it."""
        return self.row_bytes if self.spec.code is None else 4 * math.prod(self.row_shape)

    def coordinates(self) -> dict[str, tuple[list[float] | list[str], str]]:
        """For each axis of a row: its values, and their unit."""
        return self.spec.coordinates(self.chunking.samples(self.spec.sample_rate))

    def to_attributes(self) -> dict[str, Any]:
        """The attributes that a store keeps with the view."""
        return {
            "spec": self.spec.to_dict(),
            "fingerprint": self.spec.fingerprint,
            "chunking": self.chunking.to_dict(),
            **self._named(self.spec.feature, self.spec.unit),
            "shard_rows": self.shard_rows,
            "made": dict(self.made),
            "sealed": True,
            **({} if self.spec.code is None else self.spec.code.to_attributes()),
        }

    def data_attributes(self) -> dict[str, Any]:
        """The attributes of the array itself, by the names of CF: xarray shows them, and decodes a code."""
        code = self.spec.code
        cf = {} if code is None else {"scale_factor": code.scale, "add_offset": code.offset}
        return {**self._named(self.spec.feature, self.spec.unit), **cf}

    def axis_attributes(self) -> dict[str, dict[str, str]]:
        """The attributes of each axis's coordinates, by the names of CF."""
        return {dim: self._named(AXES.get(dim, dim), unit) for dim, (_, unit) in self.coordinates().items()}

    @staticmethod
    def _named(name: str, unit: str) -> dict[str, str]:
        """What something is, and its unit if it has one."""
        return {"long_name": name, **({"units": unit} if unit else {})}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], view: str) -> ViewInfo:
        """What `to_attributes` wrote, for the view of that name.

        Raises
        ------
        StoreError
            Something is missing, or spec and fingerprint do not match.
        """
        try:
            spec = FeatureSpec.from_dict(attributes["spec"])
            info = cls(
                spec=spec,
                chunking=Chunking.from_dict(attributes["chunking"]),
                shard_rows=int(attributes["shard_rows"]),
                made=dict(attributes["made"]),
            )
            if info.shard_rows < 1:
                raise ValueError(f"shard_rows is {info.shard_rows}")
            if spec.code is not None and not spec.code.is_of(attributes):
                raise ValueError(f"scale and offset are not those of its spec, {spec.code}")
        except SpecError:
            raise
        except (AudiospecError, KeyError, TypeError, ValueError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise StoreError(f"attributes of view {view} are damaged ({what}): featurize again") from error
        if attributes.get("fingerprint") != spec.fingerprint:
            raise StoreError(
                f"the spec of view {view} does not match its fingerprint: the store was changed by hand, "
                "featurize again"
            )
        return info
