"""Every registered engine passes the tests of the contract."""

from __future__ import annotations

import pytest

from audiospec.engines.base import Engine, engine, engines
from audiospec.testing.cluster import DaskCluster
from audiospec.testing.engines import EngineContract


class TestSerial(EngineContract):
    name = "serial"
    has_workers = False


class TestLocal(EngineContract):
    name = "local"


class TestDask(EngineContract):
    name = "dask"

    @pytest.fixture
    def engine(self, dask_cluster: DaskCluster) -> Engine:
        return engine("dask", scheduler=dask_cluster.address)


def test_every_engine_has_a_contract() -> None:
    here = {contract.name for contract in EngineContract.__subclasses__() if contract.__module__ == __name__}
    assert here == set(engines.names())
