"""Every registered engine passes the tests of the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from audiospec.engines import Engine, engines
from audiospec.testing.cluster import DaskCluster
from audiospec.testing.engines import EngineContract


class TestSerial(EngineContract):
    name = "serial"
    has_workers = False


class TestLocal(EngineContract):
    name = "local"


class TestDask(EngineContract):
    name = "dask"

    @pytest.fixture(scope="class")
    def cluster(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
        pytest.importorskip("distributed", reason="no Dask: pip install 'audiospec[dask]'")
        with DaskCluster(tmp_path_factory.mktemp("dask")) as cluster:
            cluster.start_scheduler()
            cluster.start_worker("--nthreads", "2", "--no-nanny")
            yield cluster

    @pytest.fixture
    def engine(self, cluster: DaskCluster) -> Engine:
        return engines["dask"](scheduler=cluster.address)


def test_every_engine_has_a_contract() -> None:
    here = {contract.name for contract in EngineContract.__subclasses__() if contract.__module__ == __name__}
    assert here == set(engines.names())
