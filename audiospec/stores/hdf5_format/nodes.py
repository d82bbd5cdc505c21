"""Write small datasets and attributes of HDF5.

They are written by HDF5's own functions, which h5py provides, with types that are made once: a store has
some 20 tables and 60 attributes, and h5py's own groups and datasets take two to three times as long for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from audiospec.stores.hdf5_format.reading import JSON_STARTS
from audiospec.stores.layout.target_tables import Column


def write_column(
    group: h5py.Group, name: str, values: NDArray[Any], attributes: Mapping[str, Any]
) -> h5d.DatasetID:
    """Write a one-dimensional array; numbers with a checksum of HDF5's own, which texts cannot have."""
    is_text = values.dtype == object
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    if len(values) and not is_text:
        properties.set_chunk(values.shape)
        properties.set_fletcher32()
    link = h5p.create(h5p.LINK_CREATE)
    link.set_char_encoding(h5t.CSET_ASCII if name.isascii() else h5t.CSET_UTF8)
    space = h5s.create_simple(values.shape)
    kind = _text_type() if is_text else h5t.py_create(values.dtype, logical=True)
    column = h5d.create(group.id, name.encode(), kind, space, dcpl=properties, lcpl=link)
    if len(values):
        values = np.asarray(values, h5py.string_dtype() if is_text else None, order="C")
        column.write(h5s.ALL, h5s.ALL, values)
    write_attributes(column, attributes)
    return column


def write_columns(group: h5py.Group, columns: Mapping[str, Column]) -> None:
    """Write arrays of `track_arrays` or `target_arrays`, and the groups that their names name."""
    for folder in dict.fromkeys(name.rpartition("/")[0] for name in columns):
        if folder:
            group.create_group(folder)
    for name, column in columns.items():
        write_column(group, name, column.values, column.attributes)


def write_attributes(node: Any, attributes: Mapping[str, Any]) -> None:
    """Write attributes of a node, which is HDF5's id of a group or dataset.

    Nested values, and text that HDF5 cannot hold, are written as JSON.
    """
    for name, value in attributes.items():
        plain = isinstance(value, str | int | float | bool)
        if isinstance(value, str):
            plain = not value.startswith(JSON_STARTS) and value.isprintable()
        value = value if plain else json.dumps(value, sort_keys=True)
        is_text = isinstance(value, str)
        array = np.array(value, h5py.string_dtype() if is_text else None)
        kind = _text_type() if is_text else h5t.py_create(array.dtype, logical=True)
        h5a.create(node, name.encode(), kind, h5s.create(h5s.SCALAR)).write(array)


@cache
def _text_type() -> h5t.TypeID:
    """Return HDF5's type of text of any length."""
    return h5t.py_create(h5py.string_dtype(), logical=True)
