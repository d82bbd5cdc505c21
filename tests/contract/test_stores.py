"""Every registered store passes the contract."""

from __future__ import annotations

from audiospec.stores import stores
from audiospec.testing.stores.contract import StoreContract


class TestZarr(StoreContract):
    store = stores["zarr"]
    suffix = ".zarr"


class TestHDF5(StoreContract):
    store = stores["hdf5"]
    suffix = ".h5"


def test_every_store_has_a_contract() -> None:
    tested = {
        contract.store for contract in StoreContract.__subclasses__() if contract.__module__ == __name__
    }
    assert tested == {stores[name] for name in stores}
