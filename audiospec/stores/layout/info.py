"""ViewInfo: spec, chunking and shard size of a view, and the attributes that store them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from audiospec.audio.chunking import Chunking
from audiospec.digests import digest
from audiospec.errors import AudiospecError, SpecError, StoreError
from audiospec.specs.base import FeatureSpec
from audiospec.stores.shards.format import chunk_rows, is_flat

#: Most bytes of a shard's rows, unless one row has more. Shards of flat rows (see `is_flat`) are smaller,
#: because all rows of such a shard are one chunk, which readers take as a whole.
SHARD_BYTES, TABLE_SHARD_BYTES = 24 << 20, 1 << 20

#: Long names of the axes of a row; other axes go by their own names.
AXES = {
    "mel": "centre of the mel bin",
    "bin": "centre of the bin",
    "coefficient": "number of the coefficient",
    "frame": "time in the chunk",
    "sample": "time in the chunk",
    "feature": "feature",
}


def most_rows(info: ViewInfo) -> int:
    """Return the most rows that a shard of a view may have."""
    most = TABLE_SHARD_BYTES if is_flat(info.row_shape) else SHARD_BYTES
    return max(1, most // info.row_bytes)


@dataclass(frozen=True, kw_only=True)
class ViewInfo:
    """The metadata of a view, which the store keeps as attributes.

    Attributes
    ----------
    spec : FeatureSpec
    chunking : Chunking
    shard_rows : int
        Rows in one shard; the last may have fewer.
    made : mapping
        How the view was computed: ``versions`` of the libraries, ``device``, ``backend`` and ``parity`` (the
        largest difference from float64, as measured by `Frontend.parity`). For an imported view:
        ``versions``, and ``table``, the name of the file.
    """

    spec: FeatureSpec
    chunking: Chunking
    shard_rows: int
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name such as ``"mel-10s-3f9a1c"``: feature, chunking, and six digits of a digest of both."""
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
        """Size of one row in bytes, as it is stored before compression."""
        return self.row_dtype.itemsize

    @property
    def read_bytes(self) -> int:
        """Size of one row in bytes, as `View.read` returns it."""
        return self.row_bytes if self.spec.code is None else 4 * math.prod(self.row_shape)

    def coordinates(self) -> Mapping[str, tuple[Sequence[float] | Sequence[str], str]]:
        """Return the values of each axis of a row, and their unit."""
        return self._coordinates

    @cached_property
    def _coordinates(self) -> Mapping[str, tuple[Sequence[float] | Sequence[str], str]]:
        return self.spec.coordinates(self.chunking.samples(self.spec.sample_rate))

    def to_attributes(self) -> dict[str, Any]:
        """Return the attributes that a store keeps with the view."""
        return {
            "spec": self.spec.to_dict(),
            "fingerprint": self.spec.fingerprint,
            "chunking": self.chunking.to_dict(),
            **self._long_name(self.spec.feature, self.spec.unit),
            "shard_rows": self.shard_rows,
            "made": dict(self.made),
            "sealed": True,
            **({} if self.spec.code is None else self.spec.code.to_attributes()),
        }

    def data_attributes(self) -> dict[str, Any]:
        """Return the attributes of the array, with the names of CF: xarray shows them, and decodes bytes."""
        code = self.spec.code
        cf = {} if code is None else {"scale_factor": code.scale, "add_offset": code.offset}
        return {**self._long_name(self.spec.feature, self.spec.unit), **cf}

    def axis_attributes(self) -> dict[str, dict[str, str]]:
        """Return the attributes of each axis's coordinates, with the names of CF."""
        return {
            dim: self._long_name(AXES.get(dim, dim), unit) for dim, (_, unit) in self.coordinates().items()
        }

    @staticmethod
    def _long_name(name: str, unit: str) -> dict[str, str]:
        """Return a long name, and the unit if there is one."""
        return {"long_name": name, **({"units": unit} if unit else {})}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], view: str) -> ViewInfo:
        """Read what `to_attributes` returned.

        Parameters
        ----------
        attributes : mapping
        view : str
            The view's name, for messages.

        Raises
        ------
        StoreError
            An attribute is missing or invalid, or spec and fingerprint do not match.
        SpecError
            The spec is of an unknown feature or version, or has an invalid field.
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
                raise ValueError(f"scale and offset do not match the spec, {spec.code}")
        except SpecError:
            raise
        except (AudiospecError, KeyError, TypeError, ValueError) as error:
            cause = f"no {error}" if isinstance(error, KeyError) else error
            raise StoreError(f"attributes of view {view} are damaged ({cause})", "featurize again") from error
        if attributes.get("fingerprint") != spec.fingerprint:
            raise StoreError(
                f"the spec of view {view} does not match its fingerprint: the store was edited",
                "featurize again",
            )
        return info
